-- The seats for an order (docs/adr/0092): the best place of its areas, else two rows where it said so, else pieces
-- near each other. What is chosen is changed in the segments, and taken back if the whole does not come about.
local NEAR = 256  -- positions on either side of the first piece in which the others are looked for
local PAIRS_MAX = 64  -- front rows that are looked at for two rows

local chosen = {}  -- pieces of the order: segment, index, number of seats, and the bytes before

local function take(segment, at, seats)
  local before = string.sub(segment.text, at, at + seats - 1)
  chosen[#chosen + 1] = {segment = segment, at = at, seats = seats, before = before}
  change_segment(segment, at, in_state(before, 'h'))
end

-- Writes what was chosen. Returns the seats, ascending.
local function write_chosen()
  local seats = {}
  for n, piece in ipairs(chosen) do
    local first = piece.segment.first + piece.at - 1
    local text = string.sub(piece.segment.text, piece.at, piece.at + piece.seats - 1)
    redis.call('SETRANGE', KEYS[1], first - 1, text)
    for seat = first, first + piece.seats - 1 do
      seats[#seats + 1] = seat
    end
    chosen[n] = nil
  end
  table.sort(seats)
  return seats
end

local function give_back()
  for n = #chosen, 1, -1 do
    change_segment(chosen[n].segment, chosen[n].at, chosen[n].before)
    chosen[n] = nil
  end
end

-- Whether all areas are ready for a need. An order that must wait for one is sent again.
local function are_ready(some, need)
  local ready = true
  for _, area in ipairs(some) do
    ready = is_ready(area, need) and ready
  end
  return ready
end

-- The free ordinary seats around the first piece, in its area.
local function around_first()
  local first = chosen[1]
  local area, at = first.segment.area, first.segment.first + first.at - 1
  local from = math.max(at - NEAR, area.first)
  local to = math.min(at + first.seats - 1 + NEAR, area.last)
  local text = redis.call('GETRANGE', KEYS[1], from - 1, to - 1)
  bytes_read = bytes_read + #text
  for _, piece in ipairs(chosen) do  -- they are not written yet
    local start = piece.segment.first + piece.at - from
    local before = string.sub(text, 1, math.max(start - 1, 0))
    if start >= 1 and start + piece.seats - 1 <= #text then
      text = before .. string.rep('h', piece.seats) .. string.sub(text, start + piece.seats)
    end
  end
  return from, text, at
end

-- The place for so many seats that is nearest a position; its first position, or nil.
local function nearest(from, text, to, seats)
  local best, distance = nil, nil
  local start = string.find(text, string.rep('.', seats), 1, true)
  while start do
    local stop = string.find(text, '[^.]', start) or #text + 1
    local first, last = from + start - 1, from + stop - 1 - seats
    local at = math.max(first, math.min(to, last))
    if not best or math.abs(at - to) < distance then
      best, distance = at, math.abs(at - to)
    end
    start = string.find(text, string.rep('.', seats), stop + 1, true)
  end
  return best
end

-- The largest piece up to this size, so that nobody is left alone where that can be; from the largest on.
local function piece_of(left, find)
  for seats = left, 1, -1 do
    local found, place = find(seats)
    if found and seats > 2 and left - seats == 1 then
      seats = seats - 1
      found, place = find(seats)
    end
    if found then
      return found, place, seats
    end
  end
end

-- Takes the other ordinary seats of an order near its first piece, if there are enough.
local function take_near(left)
  local from, text, to = around_first()
  local _, free = string.gsub(text, '%.', '')
  while left > 0 and free >= left do
    local at, _, seats = piece_of(left, function(size) return nearest(from, text, to, size) end)
    local segment = segment_at(at)
    join_area(segment, chosen[1].segment.area)
    take(segment, at - segment.first + 1, seats)
    text = string.sub(text, 1, at - from) .. string.rep('h', seats) .. string.sub(text, at - from + seats + 1)
    left, free = left - seats, free - seats
  end
  return left
end

-- Takes ordinary seats in pieces. Returns a word if that is not possible, with nothing taken back.
local function take_pieces(some, seats)
  local left = #chosen > 0 and take_near(seats) or seats
  while left > 0 do
    local waits = false
    local segment, at, size = piece_of(left, function(wanted)
      waits = waits or not are_ready(some, wanted)
      if not waits then
        return best_of(some, wanted)
      end
    end)
    if waits then
      return 'later'
    end
    if not segment then
      return 'sold_out'
    end
    take(segment, at, size)
    left = left - size
    left = left > 0 and #chosen == 1 and take_near(left) or left
  end
end

-- Takes accessible seats one by one, each with as many of the others beside it as there are.
local function take_accessible_apart(some, seats, accessible)
  local others = seats - accessible
  for left = accessible, 1, -1 do
    local segment, at, beside = nil, nil, math.ceil(others / left)
    for size = beside, 0, -1 do
      if not are_ready(some, 32 + 1 + size) then
        return 'later'
      end
      segment, at = best_of(some, 32 + 1 + size)
      beside = size
      if segment and segment.lags[32 + 1 + size] < MORE * TIER then
        break
      end
      segment = nil
    end
    if not segment then
      return 'no_accessible'
    end
    take(segment, at, 1 + beside)
    others = others - beside
  end
  return take_pieces(some, others)
end

-- Two bytes for each seat tell how many positions further on the one behind it is; 0: none.
local function behind(seat, length)
  local text = redis.call('GETRANGE', KEYS[7], 2 * (length + seat - 1), 2 * (length + seat) - 1)
  local high, low = string.byte(text, 1, 2)
  local ahead = (high or 0) * 256 + (low or 0)
  return ahead > 0 and seat + ahead or nil
end

-- The best place for a group in two rows, one behind the other, with this segment in front: `front` seats and
-- `rear` seats behind them. Returns its worst seat's score, and the indexes in both segments; or nil.
local function two_rows_in(segment, front, rear, length)
  local best, at, rear_segment, rear_at = -1, nil, nil, nil
  local start = string.find(segment.text, string.rep('.', front), 1, true)
  while start do
    for aside = 0, front - rear do
      local seat = behind(segment.first + start + aside - 1, length)
      local other = seat and seat <= segment.area.last and segment_at(seat)
      local index = other and seat - other.first + 1
      if other and string.sub(other.text, index, index + rear - 1) == string.rep('.', rear) then
        local worst = math.min(worst_of(segment, start, front), worst_of(other, index, rear))
        if worst > best then
          best, at, rear_segment, rear_at = worst, start, other, index
        end
      end
    end
    start = string.find(segment.text, string.rep('.', front), start + 1, true)
  end
  return best, at, rear_segment, rear_at
end

-- Takes two rows, one behind the other; of those that begin in the best places for the front row.
local function take_two_rows(some, seats)
  local front, length = math.ceil(seats / 2), redis.call('STRLEN', KEYS[1])
  local looked_at = best_segments(some, front, math.ceil(PAIRS_MAX / #some))
  local best, found = -1, nil
  for _, segment in ipairs(looked_at) do
    local worst, at, other, other_at = two_rows_in(segment, front, seats - front, length)
    if worst > best then
      best, found = worst, {segment, at, other, other_at}
    end
  end
  if found then
    local segment, at, other, other_at = unpack(found)
    join_area(other, segment.area)
    take(segment, at, front)
    take(other, other_at, seats - front)
    return true
  end
end

-- Chooses and takes. Returns a word why not, or nil; whether the group is split; and if there are too few ordinary
-- seats, how many there are in which area.
local function choose(order, some)
  local seats, accessible = order.quantity, order.accessible
  local need = seats + 32 * accessible
  if not are_ready(some, need) then
    return 'later'
  end
  local segment, at = best_of(some, need)
  if segment then
    take(segment, at, seats)
    return nil, false
  end
  if order.two_rows and seats > 1 and accessible == 0 then
    if not are_ready(some, math.ceil(seats / 2)) then
      return 'later'
    end
    if take_two_rows(some, seats) then
      return nil, false
    end
  end
  local take_apart = accessible > 0 and take_accessible_apart or take_pieces
  local word, counts = take_apart(some, seats, accessible), {}
  if word then
    for _, piece in ipairs(chosen) do
      counts[piece.segment.area] = (counts[piece.segment.area] or 0) + piece.seats
    end
    give_back()
  end
  return word, true, counts
end
