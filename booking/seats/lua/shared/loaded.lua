-- Whether the session is in Redis whole. Each of its keys has a member that is always there
-- (`loaded`), so a missing key means loss, never emptiness; losing one is losing all.
local function loaded()
  return redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]) == 6
end

-- Redis' own time in ms. It orders what the sweeper asks PostgreSQL about and decides nothing.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whole numbers beyond 2^31 as text; Lua's own conversion would round them.
local function digits(number)
  return string.format('%.0f', number)
end
