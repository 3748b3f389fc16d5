-- Holds. `holds` maps order id → "user|repeat|seat,seat…" and each held seat → order id. The second is the
-- fence: only the order that a seat names may release or sell it.

-- The order that is in progress for the same request, if any.
local function repeated(order_id, repeat_field, now)
  if repeat_field ~= '' then
    local earlier = redis.call('HGET', KEYS[5], repeat_field)
    if earlier then
      local earlier_id, until_ms = string.match(earlier, '^([^|]+)|(%d+)$')
      if tonumber(until_ms) > now then
        return earlier_id
      end
    end
  end
  if redis.call('HEXISTS', KEYS[4], order_id) == 1 then
    return order_id
  end
  return nil
end

-- Writes the record, the fence, the tally and the deadline. The caller writes the bytes of the seats.
local function record_hold(order_id, user_id, repeat_field, seats, due_ms)
  local fields = {order_id, user_id .. '|' .. repeat_field .. '|' .. table.concat(seats, ',')}
  for _, seat in ipairs(seats) do
    fields[#fields + 1] = seat
    fields[#fields + 1] = order_id
  end
  redis.call('HSET', KEYS[4], unpack(fields))
  redis.call('HINCRBY', KEYS[3], user_id, #seats)
  redis.call('ZADD', KEYS[6], digits(due_ms), order_id)
  if repeat_field ~= '' then
    redis.call('HSET', KEYS[5], repeat_field, order_id .. '|' .. digits(due_ms))
  end
end
