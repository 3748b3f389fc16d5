-- Mark the seats that an order holds as sold, and end its hold.
-- KEYS      seats, meta, tallies, holds, repeats, expiry
-- ARGV      order_id
-- RETURNS   {'sold', version, seat_id…} | {'gone'} | {'not_loaded'}
-- INCLUDES  loaded, runs, endings
if not loaded() then
  return {'not_loaded'}
end

local seats, accessible = end_hold(ARGV[1])
if not seats then
  return {'gone'}
end
write_runs(runs_of(seats), 's', accessible)
return {'sold', redis.call('HINCRBY', KEYS[2], 'version', 1), unpack(seats)}
