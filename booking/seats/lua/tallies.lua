-- Set users' numbers of tickets to PostgreSQL's, each only if it has not changed since the look.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds
-- ARGV      user_id, looked_at, tickets, and so on for each user
-- RETURNS   {'counted', users} | {'not_loaded'}
-- INCLUDES  loaded
if not loaded() then
  return {'not_loaded'}
end

local users = 0
for n = 1, #ARGV, 3 do
  local now = tonumber(redis.call('HGET', KEYS[3], ARGV[n]) or 0)
  if now == tonumber(ARGV[n + 1]) then
    users = users + 1
    if tonumber(ARGV[n + 2]) > 0 then
      redis.call('HSET', KEYS[3], ARGV[n], ARGV[n + 2])
    else
      redis.call('HDEL', KEYS[3], ARGV[n])
    end
  end
end
return {'counted', users}
