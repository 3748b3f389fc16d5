-- Move the deadline of a hold to the order's, once the order is in PostgreSQL.
-- KEYS      seats, meta, tallies, holds, repeats, expiry
-- ARGV      order_id, expires_in_ms
-- RETURNS   {'kept'} | {'gone'} | {'not_loaded'}
-- INCLUDES  loaded, endings
if not loaded() then
  return {'not_loaded'}
end
local user_id, repeat_field = read_hold(ARGV[1])
if not user_id then
  redis.call('ZREM', KEYS[6], ARGV[1])
  return {'gone'}
end

redis.call('ZADD', KEYS[6], digits(now_ms() + tonumber(ARGV[2])), ARGV[1])
forget_repeat(ARGV[1], repeat_field)
return {'kept'}
