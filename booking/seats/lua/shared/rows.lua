-- Where in a row: a row is what lies between two `|`, aisles (`/`) are a part of it, and its middle is
-- that of its positions. A place is where so many seats next to each other are free.
local FREE, FREE_ACCESSIBLE = 46, 58  -- `.` and `:`
local ROW_REACH = 64  -- bytes read to either side at first: most rows are found in one reading

-- The row that a position lies in: its own first position, and its bytes.
local function row_around(seat, first, last)
  local reach = ROW_REACH
  while true do
    local from, to = math.max(seat - reach, first), math.min(seat + reach, last)
    local text = redis.call('GETRANGE', KEYS[1], from - 1, to - 1)
    local at = seat - from + 1
    local left = string.match(string.sub(text, 1, at), '^.*|()')
    local right = string.find(text, '|', at, true)
    if (left or from == first) and (right or to == last) then
      left = left or 1
      return from + left - 1, string.sub(text, left, right and right - 1 or -1)
    end
    reach = reach * 4
  end
end

-- The first place for `wanted` ordinary seats from an index on. clean: only one that leaves no single
-- free seat to its left or right.
local function first_place(text, from, wanted, clean)
  local needle = string.rep('.', wanted)
  local at = string.find(text, needle, from, true)
  while at and clean do
    local after = at + wanted
    local left = string.byte(text, at - 1) == FREE and string.byte(text, at - 2) ~= FREE
    local right = string.byte(text, after) == FREE and string.byte(text, after + 1) ~= FREE
    if not left and not right then
      return at
    end
    at = string.find(text, needle, at + 1, true)
  end
  return at
end

-- The place for `wanted` ordinary seats that is nearest the middle of the row; of two the lower one.
local function nearest(text, wanted, clean)
  local ideal = (#text - wanted) / 2 + 1
  local from = math.ceil(ideal)
  local right = first_place(text, from, wanted, clean)
  local left = first_place(string.reverse(text), from, wanted, clean)
  left = left and #text - left - wanted + 2
  if left and (not right or ideal - left <= right - ideal) then
    return left
  end
  return right
end

local function is_free(byte)
  return byte == FREE or byte == FREE_ACCESSIBLE
end

local function is_single(text, at, beyond)
  return is_free(string.byte(text, at)) and not (beyond >= 1 and is_free(string.byte(text, beyond)))
end

-- The place for `wanted` seats, one of them accessible at least: the one with most accessible seats
-- (fewest: with fewest), then one that leaves no single free seat, then the nearest to the middle.
local function place_with_accessible(text, wanted, fewest)
  local best, best_rank = nil, nil
  local free, accessible = 0, 0  -- free seats in a row up to here; accessible ones of the last `wanted`
  for at = 1, #text do
    local byte = string.byte(text, at)
    if not is_free(byte) then
      free, accessible = 0, 0
    else
      free = free + 1
      accessible = accessible + (byte == FREE_ACCESSIBLE and 1 or 0)
      if free > wanted and string.byte(text, at - wanted) == FREE_ACCESSIBLE then
        accessible = accessible - 1
      end
      if free >= wanted and accessible > 0 then
        local start = at - wanted + 1
        local single = is_single(text, start - 1, start - 2) or is_single(text, at + 1, at + 2)
        local off_middle = math.abs(start + at - #text - 1)  -- in half seats, far below 5,000
        local rank = (fewest and -accessible or accessible) * 10000
          + (single and 0 or 5000) - off_middle
        if not best or rank > best_rank then
          best, best_rank = start, rank
        end
      end
    end
  end
  return best
end
