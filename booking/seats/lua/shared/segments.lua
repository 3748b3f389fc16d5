-- Segments that this call has to do with: adjacent positions between row ends (`|`) and aisles (`/`). Each is read
-- once; what changes of it is changed here as well.
local REACH, LONGEST = 64, 1024  -- positions read around a seat; longer than that is a floor for standing
local segments = {}
local segment_from = {}  -- by first position
local bytes_read = 0  -- of all orders of this call

local function add_segment(first, last, text)
  local segment = {first = first, last = last, text = text, lags = {}, places = {}}
  segments[#segments + 1] = segment
  segment_from[first] = segment
  return segment
end

local function segment_between(first, last)
  local text = redis.call('GETRANGE', KEYS[1], first - 1, last - 1)
  bytes_read = bytes_read + 3 * #text
  return add_segment(first, last, text)
end

-- The segment of a seat, if this call has read it.
local function known_segment(seat)
  for _, segment in ipairs(segments) do
    if segment.first <= seat and seat <= segment.last then
      return segment
    end
  end
end

-- The segment of a seat; nil for what is no seat, and on a floor for standing.
local function segment_at(seat)
  local known = known_segment(seat)
  if known then
    return known
  end
  local reach = seat > 0 and REACH or LONGEST + 1
  while reach <= LONGEST do
    local from = math.max(seat - reach, 1)
    local text = redis.call('GETRANGE', KEYS[1], from - 1, seat + reach - 1)
    bytes_read = bytes_read + #text
    local at = seat - from + 1
    local left = string.find(string.reverse(string.sub(text, 1, at)), '[|/]')
    local right = string.find(text, '[|/]', at)
    if right == at or at > #text then
      return nil
    end
    if (left or from == 1) and (right or from + #text <= seat + reach) then
      local first = left and at - left + 2 or 1
      text = string.sub(text, first, right and right - 1 or -1)
      return add_segment(from + first - 1, from + first + #text - 2, text)
    end
    reach = reach * 4
  end
end

-- The segment has these bytes from an index on.
local function change_segment(segment, at, bytes)
  local text = segment.text
  segment.text = string.sub(text, 1, at - 1) .. bytes .. string.sub(text, at + #bytes)
  segment.lags, segment.places, segment.is_changed = {}, {}, true
end

local function score_bytes(first, last)
  return redis.call('GETRANGE', KEYS[7], 2 * first - 2, 2 * last - 1)
end

local function scores_of(segment)
  if not segment.scores then
    local bytes = score_bytes(segment.first, segment.last)
    segment.scores = numbers_in(bytes, 1, segment.last - segment.first + 1)
  end
  return segment.scores
end

-- The score of the worst of some seats of a segment.
local function worst_of(segment, at, seats)
  return worst_at(scores_of(segment), at, seats)
end

-- The lag of the best place in a segment, and its index.
local function place_in(segment, need)
  local lag = segment.lags[need]
  if not lag then
    lag = NONE
    if may_have_place(segment.text, need) then
      lag, segment.places[need] = best_place(segment.text, scores_of(segment), need)
    end
    segment.lags[need] = lag
  end
  return lag, segment.places[need]
end
