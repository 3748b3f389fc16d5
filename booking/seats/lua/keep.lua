-- Move the deadlines of holds to their orders', once these are in PostgreSQL.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds
-- ARGV      order_id, expires_in_ms, and so on for each order
-- RETURNS   {'answered', answer…} | {'not_loaded'}
--           answer: {'kept'} | {'gone'} | {'later'}
-- INCLUDES  loaded, endings, each
if not loaded() then
  return {'not_loaded'}
end
local now = now_ms()

local function keep(order)
  local order_id, expires_in_ms = order[1], order[2]
  local user_id, repeat_field = read_hold(order_id)
  if not user_id then
    redis.call('ZREM', KEYS[6], order_id)
    return {'gone'}
  end
  redis.call('ZADD', KEYS[6], digits(now + expires_in_ms), order_id)
  forget_repeat(order_id, repeat_field)
  return {'kept'}
end

local orders = {}
for n = 1, #ARGV, 2 do
  orders[#orders + 1] = {ARGV[n], tonumber(ARGV[n + 1])}
end
return answer_each({'answered'}, orders, keep, {'later'})
