-- Replace the session's keys with the staged ones, atomically.
-- The version starts at the time in microseconds, so that it grows even if the old one was lost.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds, then the same eight as staged
-- ARGV      version_min
-- RETURNS   {'loaded', version} | {'not_staged'}
if redis.call('EXISTS', KEYS[9], unpack(KEYS, 10, 16)) ~= 8 then
  return {'not_staged'}
end

redis.call('UNLINK', KEYS[1], unpack(KEYS, 2, 8))
for n = 1, 8 do
  redis.call('PERSIST', KEYS[n + 8])
  redis.call('RENAME', KEYS[n + 8], KEYS[n])
end
local time = redis.call('TIME')
local version = math.max(time[1] * 1000000 + time[2], tonumber(ARGV[1]))
redis.call('HSET', KEYS[2], 'version', string.format('%.0f', version))
return {'loaded', version}
