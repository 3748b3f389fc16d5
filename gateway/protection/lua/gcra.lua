-- Take one request out of a bucket that holds `burst` and regains one every `interval_us` (GCRA). Before it,
-- `reported` requests are counted that the caller has let in already. No key: a full bucket.
-- KEYS     bucket
-- ARGV     interval_us, burst, reported
-- RETURNS  {'allowed', left, full_in_ms} | {'limited', again_in_ms, full_in_ms}
-- INCLUDES arrivals
local bucket = KEYS[1]
local interval_us, burst, reported = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local allowance_us = interval_us * burst

local arrival_us = parse_arrival(redis.call('GET', bucket) or '', now_us, allowance_us)
  + interval_us * reported
local ahead_us = arrival_us - now_us
local is_allowed = ahead_us + interval_us <= allowance_us
if is_allowed then
  ahead_us = ahead_us + interval_us
end
if is_allowed or reported > 0 then
  write_arrival(bucket, now_us + ahead_us, now_us, allowance_us)
end
local full_in_ms = math.ceil(ahead_us / 1000)
if is_allowed then
  return { 'allowed', math.floor((allowance_us - ahead_us) / interval_us), full_in_ms }
end
return { 'limited', math.ceil((ahead_us + interval_us - allowance_us) / 1000), full_in_ms }
