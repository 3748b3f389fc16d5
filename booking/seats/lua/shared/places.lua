-- The best place for a group in a segment: adjacent free seats between aisles and row ends (docs/adr/0092).
--
-- A place is as good as the worst of its seats. `lag` is how far it is behind the best seat of the session, and
-- more by whole tiers for what counts before that: less is better. What a group needs is a number, its `need`: seats + 32 * accessible seats among them.
local TOP = 65535  -- the best score of a seat
local NONE = 1048575  -- the lag of no place
local TIER = 65536  -- more than scores can differ by
local MORE = 8  -- tiers that a place is behind if it has more accessible seats than were asked for
local NUMBERS_AT_ONCE = 512  -- Lua's stack has room for some thousand values
local SINGLE_LEFT = TIER  -- a place that leaves a single seat is behind every one that leaves none

-- scores: of each seat. Returns the lag and the index of the first seat; NONE if there is no place.
local function ordinary_place(text, scores, seats)
  local best, place, needle = NONE, 0, string.rep('.', seats)
  local start = string.find(text, needle, 1, true)
  while start do
    local stop = (string.find(text, '[^.]', start + seats) or #text + 1) - 1
    local last = stop - seats + 1
    local from, to, step = start, last, 1
    if scores[start] < scores[stop] then  -- the best are found first, and the others need one look each
      from, to, step = last, start, -1
    end
    for at = from, to, step do
      local lag = (at - start == 1 or last - at == 1) and SINGLE_LEFT or 0
      local needed, worst = TOP - best + lag, scores[at]
      if worst >= needed then
        for n = at + 1, at + seats - 1 do
          local score = scores[n]
          if score < worst then
            worst = score
            if score < needed then
              break
            end
          end
        end
        if worst > needed or worst == needed and at < place then
          best, place = TOP - worst + lag, at
        end
      end
    end
    start = string.find(text, needle, stop + 2, true)
  end
  return best, place
end

-- The score of the worst of some seats.
local function worst_at(scores, at, seats)
  local worst = TOP
  for n = at, at + seats - 1 do
    worst = math.min(worst, scores[n])
  end
  return worst
end

-- A table or box that is sold as a whole, if it is free and has as many seats.
local function whole_place(text, scores, seats)
  if text ~= string.rep(',', seats) then
    return NONE
  end
  return TOP - worst_at(scores, 1, seats), 1
end

-- Whether a single free ordinary seat is left before or after these seats.
local function leaves_single(text, at, seats)
  local after = at + seats
  return string.byte(text, at - 1) == 46 and string.byte(text, at - 2) ~= 46
    or string.byte(text, after) == 46 and string.byte(text, after + 1) ~= 46
end

-- The numbers of accessible and of companions' seats in a stretch of free seats. nil if it has a companion's seat
-- whose accessible seat is not in it: the two are adjacent, or have other companions between them.
local function kinds_of(stretch)
  local accessible, companions = 0, 0
  for special in string.gmatch(stretch, '[:;]+') do
    local _, found = string.gsub(special, ':', '')
    if found == 0 then
      return nil
    end
    accessible, companions = accessible + found, companions + #special - found
  end
  return accessible, companions
end

-- A place with accessible seats. First as few more of them as can be; then with companions in companions' seats;
-- then without leaving a single seat; then the best by its worst seat.
local function accessible_place(text, scores, seats, wanted)
  local best, place = NONE, nil
  for at = 1, #text - seats + 1 do
    local stretch = string.sub(text, at, at + seats - 1)
    local accessible, companions = nil, nil
    if string.find(stretch, ':', 1, true) and not string.find(stretch, '[^.:;]') then
      accessible, companions = kinds_of(stretch)
    end
    if accessible and accessible >= wanted then
      local worst = worst_at(scores, at, seats)
      local tiers = (accessible > wanted and MORE or 0) + 2 * math.min(seats - accessible - companions, 3)
        + (leaves_single(text, at, seats) and 1 or 0)
      local lag = math.min(tiers * TIER + TOP - worst, NONE - 1)
      if lag < best then
        best, place = lag, at
      end
    end
  end
  return best, place
end

-- The numbers that these bytes are, two bytes each, from the first on.
local function numbers_in(bytes, first, last)
  local numbers = {}
  for from = first, last, NUMBERS_AT_ONCE do
    local to = math.min(from + NUMBERS_AT_ONCE - 1, last)
    local found = {string.byte(bytes, 2 * from - 1, 2 * to)}
    for n = 1, to - from + 1 do
      numbers[from - first + n] = found[2 * n - 1] * 256 + found[2 * n]
    end
  end
  return numbers
end

-- Whether a segment may have a place, without looking at its scores.
local function may_have_place(text, need)
  if need >= 32 then
    return string.find(text, ':', 1, true)
  end
  return string.find(text, string.rep('.', need), 1, true) or text == string.rep(',', need)
end

local function best_place(text, scores, need)
  local seats = need % 32
  if need >= 32 then
    return accessible_place(text, scores, seats, (need - seats) / 32)
  end
  if string.byte(text) == 44 then
    return whole_place(text, scores, seats)
  end
  return ordinary_place(text, scores, seats)
end
