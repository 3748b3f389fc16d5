-- Hold exactly these seats for an order, or none of them.
-- KEYS      seats, meta, tallies, holds, repeats, expiry
-- ARGV      order_id, user_id, tickets_max, intent_ms, repeat_field, seat_id…  (ids ascending)
-- RETURNS   {'held', version, seat_id…} | {'taken', seat_id…} | {'limit_reached', tickets}
--           | {'repeated', order_id} | {'not_loaded'}
-- INCLUDES  loaded, runs, cursors, changes, orders
local order_id, user_id, tickets_max = ARGV[1], ARGV[2], tonumber(ARGV[3])
local intent_ms, repeat_field = tonumber(ARGV[4]), ARGV[5]

if not loaded() then
  return {'not_loaded'}
end
local now = now_ms()
local earlier = repeated(order_id, repeat_field, now)
if earlier then
  return {'repeated', earlier}
end
local seats, accessible, taken = {}, {}, {'taken'}
for n = 6, #ARGV do
  local seat = tonumber(ARGV[n])
  seats[#seats + 1] = seat
  local byte = seat < 1 and '' or redis.call('GETRANGE', KEYS[1], seat - 1, seat - 1)
  if byte == ':' then
    accessible[#accessible + 1] = seat
  elseif byte ~= '.' then
    taken[#taken + 1] = seat
  end
end
if #taken > 1 then
  return taken
end
local tickets = tonumber(redis.call('HGET', KEYS[3], user_id) or 0)
if tickets + #seats > tickets_max then
  return {'limit_reached', tickets}
end

local runs = runs_of(seats)
write_runs(runs, 'h', accessible)
runs_changed(runs, run_taken)
record_hold(order_id, user_id, repeat_field, seats, now + intent_ms)
return {'held', redis.call('HINCRBY', KEYS[2], 'version', 1), unpack(seats)}
