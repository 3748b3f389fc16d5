-- Where in a row: a row is what lies between two `|`, aisles (`/`) are a part of it, and its middle is
-- that of its positions. A place is where so many seats next to each other are free.
local FREE, FREE_ACCESSIBLE = 46, 58  -- `.` and `:`
local ROW_REACH = 64  -- bytes before a seat that are read with it: most rows begin within them

-- The row that a seat lies in: its own first position, and its bytes. text: what has been read of the
-- area from position `from` on, the seat among it; when the row is not whole in it, more is read.
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

-- Whether one free seat and no more is left before or after a place.
local function leaves_single(text, at, wanted)
  local after = at + wanted
  return string.byte(text, at - 1) == FREE and string.byte(text, at - 2) ~= FREE
    or string.byte(text, after) == FREE and string.byte(text, after + 1) ~= FREE
end

-- The first place for ordinary seats from an index on. clean: only one that leaves no single free seat.
local function first_place(text, from, needle, clean)
  local at = string.find(text, needle, from, true)
  while at and clean and leaves_single(text, at, #needle) do
    at = string.find(text, needle, at + 1, true)
  end
  return at
end

-- The place for ordinary seats that is nearest the middle of the row; of two the lower one.
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

-- The place for `wanted` seats, one of them accessible at least: the one with most accessible seats
-- (fewest: with fewest), then one that leaves no single free seat, then the nearest to the middle.
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
