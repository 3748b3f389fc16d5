-- Free the seats that an order still holds. An order without a hold changes nothing.
-- KEYS      seats, meta, tallies, holds, repeats, expiry
-- ARGV      order_id
-- RETURNS   {'released', version, seat_id…} | {'gone'} | {'not_loaded'}
-- INCLUDES  loaded, runs, cursors, changes, endings
if not loaded() then
  return {'not_loaded'}
end

local seats, accessible, user_id, tickets = end_hold(ARGV[1])
if not seats then
  return {'gone'}
end
fewer_tickets(user_id, tickets)
local runs = runs_of(seats)
write_runs(runs, '.', accessible)
runs_changed(runs, run_freed)
return {'released', redis.call('HINCRBY', KEYS[2], 'version', 1), unpack(seats)}
