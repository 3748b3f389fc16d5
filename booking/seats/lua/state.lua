-- Return the state of every seat, one byte a position, and its version.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds
-- ARGV
-- RETURNS   {'state', version, seats} | {'not_loaded'}
-- INCLUDES  loaded
if not loaded() then
  return {'not_loaded'}
end
return {'state', tonumber(redis.call('HGET', KEYS[2], 'version')), redis.call('GET', KEYS[1])}
