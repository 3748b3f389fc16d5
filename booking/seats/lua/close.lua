-- The session is not loaded from now on, until `load`: what is read from PostgreSQL after this
-- misses nothing that was written here before.
-- KEYS      seats, meta, tallies, holds, repeats, expiry
-- ARGV
-- RETURNS   {'closed', version}
local version = tonumber(redis.call('HGET', KEYS[2], 'version') or 0)
redis.call('DEL', KEYS[2])
return {'closed', version}
