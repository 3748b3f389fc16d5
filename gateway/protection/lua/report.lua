-- Count requests that a process has let in already, and say how far ahead of now each bucket is, with the requests
-- of all processes. A bucket may be further ahead than it allows: then it owes the difference.
-- KEYS     bucket…
-- ARGV     (interval_us, burst, requests)…
-- RETURNS  {'counted', ahead_us…}
-- INCLUDES arrivals
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]

local values = redis.call('MGET', unpack(KEYS))
local answer = { 'counted' }
for n, bucket in ipairs(KEYS) do
  local interval_us, burst = tonumber(ARGV[3 * n - 2]), tonumber(ARGV[3 * n - 1])
  local allowance_us = interval_us * burst
  local arrival_us = parse_arrival(values[n] or '', now_us, allowance_us) + interval_us * tonumber(ARGV[3 * n])
  write_arrival(bucket, arrival_us, now_us, allowance_us)
  answer[n + 1] = arrival_us - now_us
end
return answer
