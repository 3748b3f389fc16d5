-- Places in a row. A row lies between two `|` and includes aisles (`/`); its middle is the middle of its
-- positions. A place is the index of the first of the wanted adjacent free seats.
local FREE, FREE_ACCESSIBLE = 46, 58  -- `.` and `:`
local ROW_REACH = 64  -- bytes read before a seat; most rows begin within them

-- The row of a seat: its first position and its bytes. text: the bytes read so far from position `from` on,
-- including the seat; if they do not contain the whole row, more are read.
local function row_around(seat, first, last, from, text)
  local reach = ROW_REACH
  while true do
    local at = seat - from + 1
    local left = string.find(string.reverse(string.sub(text, 1, at)), '|', 1, true)
    local right = string.find(text, '|', at, true)
    if (left or from == first) and (right or from + #text > last) then
      left = left and at - left + 2 or 1
      return from + left - 1, string.sub(text, left, right and right - 1 or -1)
    end
    reach = reach * 4
    from = math.max(seat - reach, first)
    text = redis.call('GETRANGE', KEYS[1], from - 1, math.min(seat + reach, last) - 1)
  end
end

-- Whether a single free seat is left before or after a place.
local function leaves_single(text, at, wanted)
  local after = at + wanted
  return string.byte(text, at - 1) == FREE and string.byte(text, at - 2) ~= FREE
    or string.byte(text, after) == FREE and string.byte(text, after + 1) ~= FREE
end

-- The first place for ordinary seats from an index on. clean: only a place that leaves no single free seat.
local function first_place(text, from, needle, clean)
  local at = string.find(text, needle, from, true)
  while at and clean and leaves_single(text, at, #needle) do
    at = string.find(text, needle, at + 1, true)
  end
  return at
end

-- The place for ordinary seats nearest the middle of the row; the lower one of two.
local function nearest(text, needle, clean)
  local ideal = (#text - #needle) / 2 + 1
  local from = math.ceil(ideal)
  local right = first_place(text, from, needle, clean)
  if right == ideal then
    return right
  end
  local left = first_place(string.reverse(text), from, needle, clean)
  left = left and #text - left - #needle + 2
  if left and (not right or ideal - left <= right - ideal) then
    return left
  end
  return right
end

-- The place for `wanted` seats with at least one accessible seat: prefers the most accessible seats
-- (fewest: the fewest), then a place that leaves no single free seat, then the one nearest the middle.
local function place_with_accessible(text, wanted, fewest)
  local free = string.gsub(text, ':', '.')
  local needle = string.rep('.', wanted)
  local best, best_rank = nil, nil
  local at = string.find(free, needle, 1, true)
  while at do
    local _, accessible = string.gsub(string.sub(text, at, at + wanted - 1), ':', ':')
    if accessible > 0 then
      local single = leaves_single(free, at, wanted)
      local off_middle = math.abs(2 * at + wanted - 1 - #text - 1)  -- in half seats, far below 5,000
      local rank = (fewest and -accessible or accessible) * 10000
        + (single and 0 or 5000) - off_middle
      if not best or rank > best_rank then
        best, best_rank = at, rank
      end
    end
    at = string.find(free, needle, at + 1, true)
  end
  return best
end
