-- Reading and ending a hold. orders.lua writes it.

-- The user, repeat field and seats of an order's hold; nil if it has none.
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

-- Ends an order's hold. Returns the seats that it still held, the user and the number of their tickets; nil if
-- there is no hold.
local function end_hold(order_id)
  local user_id, repeat_field, seats = read_hold(order_id)
  redis.call('ZREM', KEYS[6], order_id)
  if not user_id then
    return nil
  end
  local own, fields = {}, {order_id}
  for _, seat in ipairs(seats) do
    if redis.call('HGET', KEYS[4], seat) == order_id then
      fields[#fields + 1] = seat
      if state_of(redis.call('GETRANGE', KEYS[1], seat - 1, seat - 1)) == 'h' then
        own[#own + 1] = seat
      end
    end
  end
  redis.call('HDEL', KEYS[4], unpack(fields))
  forget_repeat(order_id, repeat_field)
  return own, user_id, #fields - 1
end
