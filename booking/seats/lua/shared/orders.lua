-- Who holds what. `holds` maps order id → "user|repeat|seat,seat…" and each held seat → order id;
-- the second is the fence: only the order that a seat names may give it back or sell it.

-- The order that is already being worked on for this request, if any.
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

-- Writes the record, the fence, the tally and what is due. The seats' bytes are the caller's.
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

-- The user, repeat field and seats of an order; nil when it holds nothing here.
local function read_hold(order_id)
  local record = redis.call('HGET', KEYS[4], order_id)
  if not record then
    return nil
  end
  local user_id, repeat_field, list = string.match(record, '^([^|]*)|([^|]*)|(.*)$')
  local seats = {}
  for seat in string.gmatch(list, '%d+') do
    seats[#seats + 1] = tonumber(seat)
  end
  return user_id, repeat_field, seats
end

local function fewer_tickets(user_id, tickets)
  if tickets > 0 and redis.call('HINCRBY', KEYS[3], user_id, -tickets) <= 0 then
    redis.call('HDEL', KEYS[3], user_id)
  end
end

local function forget_repeat(order_id, repeat_field)
  if repeat_field ~= '' then
    local value = redis.call('HGET', KEYS[5], repeat_field)
    if value and string.match(value, '^[^|]+') == order_id then
      redis.call('HDEL', KEYS[5], repeat_field)
    end
  end
end

-- Ends an order's hold and returns the seats that were its own to the last and which of them are
-- accessible, the user and their tickets; or nil: no such hold.
local function end_hold(order_id)
  local user_id, repeat_field, seats = read_hold(order_id)
  redis.call('ZREM', KEYS[6], order_id)
  if not user_id then
    return nil
  end
  local own, accessible, fields = {}, {}, {order_id}
  for _, seat in ipairs(seats) do
    if redis.call('HGET', KEYS[4], seat) == order_id then
      fields[#fields + 1] = seat
      local byte = redis.call('GETRANGE', KEYS[1], seat - 1, seat - 1)
      if byte == 'h' or byte == 'H' then
        own[#own + 1] = seat
      end
      if byte == 'H' then
        accessible[#accessible + 1] = seat
      end
    end
  end
  redis.call('HDEL', KEYS[4], unpack(fields))
  forget_repeat(order_id, repeat_field)
  return own, accessible, user_id, #fields - 1
end
