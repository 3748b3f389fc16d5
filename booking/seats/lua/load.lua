-- Replace the session's keys with the staged ones, atomically.
-- The version starts at the time in microseconds, so that it grows even if the old one was lost.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, then the same six as staged
-- ARGV      version_min
-- RETURNS   {'loaded', version} | {'not_staged'}
if redis.call('EXISTS', KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]) ~= 6 then
  return {'not_staged'}
end

redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
for n = 1, 6 do
  redis.call('PERSIST', KEYS[n + 6])
  redis.call('RENAME', KEYS[n + 6], KEYS[n])
end
local time = redis.call('TIME')
local version = math.max(time[1] * 1000000 + time[2], tonumber(ARGV[1]))
redis.call('HSET', KEYS[2], 'version', string.format('%.0f', version))
return {'loaded', version}
