-- Write identity's list of revoked logins over this copy, drop expired entries, and mark it as loaded.
-- The ticket was stored here before identity was asked. If it is gone, Redis lost its data meanwhile,
-- perhaps with a login revoked after the list was read: the list must then be read again.
-- KEYS     revoked
-- ARGV     ticket, now_s, (login_id, until_s)…
-- RETURNS  {'loaded', count, older_s} | {'lost'}
-- older_s: how long ago a process of a release without leases wrote `loaded`, which it does as 1. We write when
-- that was last seen, or 0.
local revoked = KEYS[1]
local ticket, now_s = ARGV[1], tonumber(ARGV[2])

if redis.call('HDEL', revoked, ticket) == 0 then
  return { 'lost' }
end
for n = 3, #ARGV, 2 do
  redis.call('HSET', revoked, ARGV[n], ARGV[n + 1])
end
local entries = redis.call('HGETALL', revoked)
local count = 0
for n = 1, #entries, 2 do
  if entries[n] ~= 'loaded' then
    if tonumber(entries[n + 1]) < now_s then
      redis.call('HDEL', revoked, entries[n])
    else
      count = count + 1
    end
  end
end
local time_s = tonumber(redis.call('TIME')[1])
local older_at_s = tonumber(redis.call('HGET', revoked, 'loaded') or '0')
if older_at_s == 1 then
  older_at_s = time_s
end
redis.call('HSET', revoked, 'loaded', older_at_s)
return { 'loaded', count, time_s - older_at_s }
