-- Whether the session is completely in Redis. Each of its keys always has a member (`loaded`), so a missing
-- key means loss, never an empty key. If one key is lost, the whole session counts as lost.
local function loaded()
  return redis.call('EXISTS', KEYS[1], unpack(KEYS, 2, 8)) == 8
end

-- The time of Redis in ms. It only orders the sweeper's questions to PostgreSQL; it decides nothing.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whole numbers beyond 2^31 as text; Lua's own conversion would round them.
local function digits(number)
  return string.format('%.0f', number)
end
