-- A bucket's theoretical arrival time in µs of this server's clock: when its next request is due. It is at most
-- `allowance_us` ahead. What processes let in beyond that is a debt, written behind the point and a zero:
-- '1764379000000000.0280000' owes 0.28 s. A process of an older release reads that as less than a microsecond.
local function parse_arrival(value, now_us, allowance_us)
  local due_us = tonumber(value)
  -- Further ahead than any bucket allows: the clock was set back. Start with a full bucket.
  if not due_us or due_us > now_us + allowance_us + 1000 then
    return now_us
  end
  if #value > 16 then
    due_us = math.floor(due_us) + (tonumber(string.match(value, '%.0(%d+)')) or 0)
  end
  return math.max(due_us, now_us)
end

local function write_arrival(bucket, arrival_us, now_us, allowance_us)
  local value, debt_us = arrival_us, arrival_us - now_us - allowance_us
  if debt_us > 0 then
    value = string.format('%.0f.0%.0f', now_us + allowance_us, debt_us)
  end
  redis.call('SET', bucket, value, 'PX', math.max(1, math.ceil((arrival_us - now_us) / 1000)))
end

