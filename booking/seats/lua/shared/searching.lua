-- The best free seats of an area (docs/adr/0032): adjacent ordinary seats in the first row where they leave no
-- orphan, else in the first row with room, in both cases nearest the middle of the row; else scattered seats.
-- Accessible seats only if too few others are left, or on request. Standing: the first free.
-- An order has `first` and `last`, the ends of its area, `quantity`, and `needle`, as many free bytes.
local CHUNK_MIN, CHUNK_MAX = 256, 65536  -- bytes read at a time; most holds need only the first chunk
local LOOKAHEAD = 65536  -- positions an order searches for seats that leave no orphan
local bytes_read = 0  -- of all searches of this call

-- The bytes of these positions, both ends included.
local function bytes_between(first, last)
  local text = redis.call('GETRANGE', KEYS[1], first - 1, last - 1)
  bytes_read = bytes_read + #text
  return text
end

-- The byte of each of these ascending seats; empty where there is none.
local function bytes_of(seats)
  local first, last, bytes = math.max(seats[1], 1), seats[#seats], {}
  local text = last - first < CHUNK_MIN and bytes_between(first, last)
  for n, seat in ipairs(seats) do
    local at = seat - first + 1
    bytes[n] = seat < 1 and '' or text and string.sub(text, at, at) or bytes_between(seat, seat)
  end
  return bytes
end

-- Finds the first run of `quantity` ordinary free seats from a position on. Returns its start, or nil and
-- the end of the search; then the first position and the bytes of the text that was read around it. clean:
-- only a run that leaves no orphan; a run that begins before the first position was judged earlier.
local function find_run(order, from, limit, clean)
  local first, last, quantity = order.first, order.last, order.quantity
  local at, size = from, CHUNK_MIN
  while at + quantity - 1 <= last and at <= limit do
    local stop = math.min(at + size - 1, last)
    local start = math.max(at - ROW_REACH, first)
    local text = bytes_between(start, math.min(stop + quantity + 1, last))
    local offset, i = start - 1, at - start + 1
    if clean and at == from and string.byte(text, i - 1) == FREE then
      i = string.find(text, '[^.]', i) or #text + 1
    end
    local found = string.find(text, order.needle, i, true)
    while found and offset + found <= stop do
      local after = found + quantity
      if not clean or string.byte(text, after) ~= FREE or string.byte(text, after + 1) == FREE then
        return offset + found, nil, start, text
      end
      i = after + 1
      found = string.find(text, order.needle, i, true)
    end
    at = math.max(offset + i, stop + 1)
    size = math.min(size * 4, CHUNK_MAX)
  end
  return nil, at
end

-- Finds the first free accessible seat, from a position on, that is part of `quantity` adjacent free seats.
-- Returns it, or nil and the end of the search.
local function find_accessible(order, from)
  local last, quantity = order.last, order.quantity
  local at, size = from, CHUNK_MIN
  while at <= last do
    local left, stop = math.max(at - quantity + 1, order.first), math.min(at + size - 1, last)
    local text = bytes_between(left, math.min(stop + quantity - 1, last))
    local free = string.gsub(text, ':', '.')
    local found = string.find(text, ':', at - left + 1, true)
    while found and left + found - 1 <= stop do
      local around = string.sub(free, math.max(found - quantity + 1, 1), found + quantity - 1)
      if string.find(around, order.needle, 1, true) then
        return left + found - 1
      end
      found = string.find(text, ':', found + 1, true)
    end
    at, size = stop + 1, math.min(size * 4, CHUNK_MAX)
  end
  return nil, last + 1
end

-- The first seats with this byte from a position on, at most `wanted`.
local function find_seats(order, from, byte, wanted)
  local seats, at, size, last = {}, from, CHUNK_MIN, order.last
  while at <= last and #seats < wanted do
    local text = bytes_between(at, math.min(at + size - 1, last))
    local found = string.find(text, byte, 1, true)
    while found and #seats < wanted do
      seats[#seats + 1] = at + found - 1
      found = string.find(text, byte, found + 1, true)
    end
    at, size = at + size, math.min(size * 4, CHUNK_MAX)
  end
  return seats
end

local function seats_from(start, quantity)
  local seats = {}
  for seat = start, start + quantity - 1 do
    seats[#seats + 1] = seat
  end
  return seats
end

-- Adjacent ordinary seats, or nil. The cursors stay at the run that was found, because the next seats of its
-- row may lie before the ones taken now. Updates the cursors for the pieces left on both sides.
local function adjacent(order, cursors)
  local quantity, last = order.quantity, order.last
  local cursor, clean = cursor_of(cursors, quantity), true
  local found, ended, from, read = find_run(order, cursor.clean, cursor.clean + LOOKAHEAD, true)
  cursor.clean = found or ended
  if not found then
    found, ended, from, read = find_run(order, cursor.fit, last, false)
    cursor.fit, clean = found or ended, false
  end
  if not found then
    return nil
  end
  local row, text = row_around(found, order.first, last, from, read)
  local place = nearest(text, order.needle, clean)
  local stop = place + quantity - 1
  pieces_left(cursors, {row + place - 1, row + stop - 1}, free_beside(text, place, stop))
  return seats_from(row + place - 1, quantity), nil
end

-- Adjacent seats that include an accessible one, and the accessible ones of them; or nil.
local function with_accessible(order, cursors)
  local quantity = order.quantity
  local cursor = accessible_cursor(cursors, quantity)
  local found, ended = find_accessible(order, cursor.fit)
  cursor.fit = found or ended
  if not found then
    return nil
  end
  local row, text = row_around(found, order.first, order.last, found, ':')
  local place = place_with_accessible(text, quantity, order.kind == 'seats')
  local accessible = {}
  for at = place, place + quantity - 1 do
    if string.byte(text, at) == FREE_ACCESSIBLE then
      accessible[#accessible + 1] = row + at - 1
    end
  end
  return seats_from(row + place - 1, quantity), accessible
end

-- Whether an accessible seat is free.
local function any_accessible(order, cursors)
  local cursor = accessible_cursor(cursors, 1)
  cursor.fit = find_seats(order, cursor.fit, ':', 1)[1] or order.last + 1
  return cursor.fit <= order.last
end

-- The first free seats at any place, preferring earlier ones of these bytes; and the accessible ones of
-- them; or nil.
local function scattered(order, cursors, bytes)
  local quantity, last = order.quantity, order.last
  local seats, found = {}, {}
  for byte in string.gmatch(bytes, '.') do
    if #seats < quantity then
      local cursor = byte == '.' and cursor_of(cursors, 0) or accessible_cursor(cursors, 1)
      local some = find_seats(order, cursor.fit, byte, quantity - #seats)
      cursor.fit = some[1] or last + 1
      found[#found + 1] = {cursor = cursor, byte = byte, seats = some}
      for _, seat in ipairs(some) do
        seats[#seats + 1] = seat
      end
    end
  end
  if #seats < quantity then
    cursors.ordinary = math.min(cursors.ordinary, quantity)
    return nil
  end
  local accessible = {}
  for _, one in ipairs(found) do
    one.cursor.fit = (one.seats[#one.seats] or last) + 1
    if one.byte == ':' then
      accessible = one.seats
    end
  end
  table.sort(seats)
  return seats, accessible
end

-- The seats to hold, or nil. The second value lists the accessible ones; it is nil if all seats are ordinary
-- and adjacent.
local function choose(order, cursors)
  local kind = order.kind
  if kind == 'standing' then
    return scattered(order, cursors, '.')
  end
  local seats, accessible = nil, nil
  if kind == 'seats' and order.quantity < cursors.ordinary then
    seats, accessible = adjacent(order, cursors)
    if not seats then
      seats, accessible = scattered(order, cursors, '.')
    end
  end
  if not seats and any_accessible(order, cursors) then
    seats, accessible = with_accessible(order, cursors)
    if not seats then
      seats, accessible = scattered(order, cursors, kind == 'seats' and '.:' or ':.')
    end
  end
  return seats, accessible
end
