-- Overwrite seats with the state of PostgreSQL's claims.
-- A held seat is due after due_in_ms; the sweeper then asks PostgreSQL about its order.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds
-- ARGV      seat_id, state (h, s or b), order_id, user_id, due_in_ms, and so on for each seat
-- RETURNS   {'corrected', version, seat_id…} | {'not_loaded'}
-- INCLUDES  loaded, states, places, segments, bounds, changes, endings
if not loaded() then
  return {'not_loaded'}
end

local now = now_ms()

-- Removes the seat from its previous owner. The record of that owner stays until its hold ends.
local function dispossess(seat, owner)
  local user_id = read_hold(owner)
  redis.call('HDEL', KEYS[4], seat)
  if user_id then
    fewer_tickets(user_id, 1)
  end
end

local function add_to_hold(seat, order_id, user_id, due_in_ms)
  local record = redis.call('HGET', KEYS[4], order_id)
  if record then
    record = record .. ',' .. seat
  else
    record = user_id .. '||' .. seat
    redis.call('ZADD', KEYS[6], digits(now + due_in_ms), order_id)
  end
  redis.call('HSET', KEYS[4], order_id, record, seat, order_id)
end

local function put(seat, byte, state, order_id, user_id, due_in_ms)
  local before = state_of(byte)
  local owner = redis.call('HGET', KEYS[4], seat)
  local own = owner and owner == order_id
  if before == state and (own or state ~= 'h') then
    return false
  end
  if owner and not own then
    dispossess(seat, owner)
  elseif own and state ~= 'h' then
    redis.call('HDEL', KEYS[4], seat)
  end
  if not own and user_id ~= '' then
    redis.call('HINCRBY', KEYS[3], user_id, 1)
  end
  if state == 'h' and not own and order_id ~= '' then
    add_to_hold(seat, order_id, user_id, due_in_ms)
  end
  change_runs({{seat, seat}}, state)
  return true
end

local corrected = {}
for n = 1, #ARGV, 5 do
  local seat = tonumber(ARGV[n])
  local byte = seat < 1 and '' or redis.call('GETRANGE', KEYS[1], seat - 1, seat - 1)
  if state_of(byte) then
    if put(seat, byte, ARGV[n + 1], ARGV[n + 2], ARGV[n + 3], tonumber(ARGV[n + 4])) then
      corrected[#corrected + 1] = seat
    end
  end
end
if #corrected == 0 then
  return {'corrected', tonumber(redis.call('HGET', KEYS[2], 'version'))}
end
write_bounds()
return {'corrected', redis.call('HINCRBY', KEYS[2], 'version', 1), unpack(corrected)}
