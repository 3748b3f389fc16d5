-- Free seats that are free in PostgreSQL, each only if its state and owner have not changed since the look.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds
-- ARGV      seat_id, state (h, s or b), owner (an order_id or empty), and so on for each seat
-- RETURNS   {'freed', version, seat_id…} | {'not_loaded'}
-- INCLUDES  loaded, states, runs, places, segments, bounds, changes, endings, quiet
if not loaded() then
  return {'not_loaded'}
end

local freed = {}
for n = 1, #ARGV, 3 do
  local seat, state, looked_at = tonumber(ARGV[n]), ARGV[n + 1], ARGV[n + 2]
  local owner = redis.call('HGET', KEYS[4], seat) or ''
  local byte = seat < 1 and '' or redis.call('GETRANGE', KEYS[1], seat - 1, seat - 1)
  if owner == looked_at and state_of(byte) == state then
    freed[#freed + 1] = seat
    if owner ~= '' then
      redis.call('HDEL', KEYS[4], seat)
      local user_id = read_hold(owner)
      if user_id then
        fewer_tickets(user_id, 1)
      end
    end
  end
end
if #freed == 0 then
  return {'freed', tonumber(redis.call('HGET', KEYS[2], 'version'))}
end
change_runs(runs_of(freed), '.')
write_bounds()
quietly(1)
return {'freed', redis.call('HINCRBY', KEYS[2], 'version', 1), unpack(freed)}
