-- Mark the session as not loaded, until `load`. PostgreSQL is read after this, so the snapshot misses no
-- write that was made here before.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds
-- ARGV
-- RETURNS   {'closed', version}
local version = tonumber(redis.call('HGET', KEYS[2], 'version') or 0)
redis.call('DEL', KEYS[2])
return {'closed', version}
