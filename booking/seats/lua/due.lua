-- Return the orders whose holds are due, longest due first. They stay due.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds
-- ARGV      orders_max
-- RETURNS   {'due', order_id…} | {'not_loaded'}
-- INCLUDES  loaded
if not loaded() then
  return {'not_loaded'}
end
return {'due', unpack(
  redis.call('ZRANGE', KEYS[6], '-inf', digits(now_ms()), 'BYSCORE', 'LIMIT', 0, ARGV[1]))}
