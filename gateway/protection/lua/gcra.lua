-- Take one request out of a bucket that holds `burst` and regains one every `interval_us` (GCRA).
-- The key holds the theoretical arrival time in µs of this server's clock. No key: a full bucket.
-- KEYS     bucket
-- ARGV     interval_us, burst
-- RETURNS  {'allowed', left, full_in_ms} | {'limited', again_in_ms, full_in_ms}
local bucket = KEYS[1]
local interval_us, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local allowance_us = interval_us * burst

local arrival_us = tonumber(redis.call('GET', bucket))
-- Further ahead than any bucket allows: the clock was set back. Start with a full bucket.
if not arrival_us or arrival_us < now_us or arrival_us > now_us + allowance_us + 1000 then
  arrival_us = now_us
end
local ahead_us = arrival_us + interval_us - now_us
if ahead_us > allowance_us then
  return { 'limited', math.ceil((ahead_us - allowance_us) / 1000),
           math.ceil((arrival_us - now_us) / 1000) }
end
redis.call('SET', bucket, string.format('%.0f', now_us + ahead_us),
           'PX', math.max(1, math.ceil(ahead_us / 1000)))
return { 'allowed', math.floor((allowance_us - ahead_us) / interval_us), math.ceil(ahead_us / 1000) }
