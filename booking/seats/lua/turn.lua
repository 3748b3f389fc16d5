-- Take one turn of a session whose orders a second are limited (GCRA). Turns come one every `interval_us`, and
-- `burst` of them may come at once. `next_turn` of meta is the time of the next one in µs of this server's clock.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds
-- ARGV      interval_us, burst
-- RETURNS   {'taken'} | {'wait', again_in_ms} | {'not_loaded'}
-- INCLUDES  loaded
local interval_us, burst = tonumber(ARGV[1]), tonumber(ARGV[2])

if not loaded() then
  return {'not_loaded'}
end
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local allowance_us = interval_us * burst
local next_us = tonumber(redis.call('HGET', KEYS[2], 'next_turn') or 0)
-- Further ahead than any burst allows: the limit was raised, or the clock set back. Start anew.
if next_us < now_us or next_us > now_us + allowance_us + 1000 then
  next_us = now_us
end
local ahead_us = next_us + interval_us - now_us
if ahead_us > allowance_us then
  return {'wait', math.ceil((ahead_us - allowance_us) / 1000)}
end
redis.call('HSET', KEYS[2], 'next_turn', digits(now_us + ahead_us))
return {'taken'}
