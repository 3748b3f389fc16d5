-- Hold the best free seats of an area (docs/adr/0032): adjacent ordinary seats in the first row where they
-- leave no orphan, else in the first row with room, in both cases nearest the middle of the row; else
-- scattered seats. Accessible seats only if too few others are left, or on request. Standing: the first free.
-- kind: `seats`, `accessible` or `standing`.
-- KEYS      seats, meta, tallies, holds, repeats, expiry
-- ARGV      order_id, user_id, tickets_max, intent_ms, repeat_field, first, last, quantity, kind
-- RETURNS   {'held', version, seat_id…} | {'sold_out'} | {'no_accessible'}
--           | {'limit_reached', tickets} | {'repeated', order_id} | {'not_loaded'}
-- INCLUDES  loaded, runs, rows, cursors, orders
local CHUNK_MIN, CHUNK_MAX = 256, 65536  -- bytes read at a time; most holds need only the first chunk
local LOOKAHEAD = 65536  -- positions a call searches for seats that leave no orphan

local order_id, user_id, tickets_max = ARGV[1], ARGV[2], tonumber(ARGV[3])
local intent_ms, repeat_field = tonumber(ARGV[4]), ARGV[5]
local first, last, quantity = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local kind = ARGV[9]

if not loaded() then
  return {'not_loaded'}
end
local now = now_ms()
local earlier = repeated(order_id, repeat_field, now)
if earlier then
  return {'repeated', earlier}
end
local tickets = tonumber(redis.call('HGET', KEYS[3], user_id) or 0)
if tickets + quantity > tickets_max then
  return {'limit_reached', tickets}
end
local cursors = read_cursors(first .. '-' .. last, first)
if quantity >= cursors.least and kind ~= 'accessible' then
  return {'sold_out'}  -- returned before Lua creates the functions below, which takes longer than this
end

local needle = string.rep('.', quantity)

-- Finds the first run of `quantity` ordinary free seats from a position on. Returns its start, or nil and
-- the end of the search; then the first position and the bytes of the text that was read around it. clean:
-- only a run that leaves no orphan; a run that begins before the first position was judged earlier.
local function find_run(from, limit, clean)
  local at, size = from, CHUNK_MIN
  while at + quantity - 1 <= last and at <= limit do
    local stop = math.min(at + size - 1, last)
    local start = math.max(at - ROW_REACH, first)
    local text = redis.call(
      'GETRANGE', KEYS[1], start - 1, math.min(stop + quantity + 1, last) - 1)
    local offset, i = start - 1, at - start + 1
    if clean and at == from and string.byte(text, i - 1) == FREE then
      i = string.find(text, '[^.]', i) or #text + 1
    end
    local found = string.find(text, needle, i, true)
    while found and offset + found <= stop do
      local after = found + quantity
      if not clean or string.byte(text, after) ~= FREE or string.byte(text, after + 1) == FREE then
        return offset + found, nil, start, text
      end
      i = after + 1
      found = string.find(text, needle, i, true)
    end
    at = math.max(offset + i, stop + 1)
    size = math.min(size * 4, CHUNK_MAX)
  end
  return nil, at
end

-- Finds the first free accessible seat, from a position on, that is part of `quantity` adjacent free seats.
-- Returns it, or nil and the end of the search.
local function find_accessible(from)
  local at, size = from, CHUNK_MIN
  while at <= last do
    local left, stop = math.max(at - quantity + 1, first), math.min(at + size - 1, last)
    local text = redis.call(
      'GETRANGE', KEYS[1], left - 1, math.min(stop + quantity - 1, last) - 1)
    local free = string.gsub(text, ':', '.')
    local found = string.find(text, ':', at - left + 1, true)
    while found and left + found - 1 <= stop do
      local around = string.sub(free, math.max(found - quantity + 1, 1), found + quantity - 1)
      if string.find(around, needle, 1, true) then
        return left + found - 1
      end
      found = string.find(text, ':', found + 1, true)
    end
    at, size = stop + 1, math.min(size * 4, CHUNK_MAX)
  end
  return nil, last + 1
end

-- The first seats with this byte from a position on, at most `wanted`.
local function find_seats(from, byte, wanted)
  local seats, at, size = {}, from, CHUNK_MIN
  while at <= last and #seats < wanted do
    local text = redis.call('GETRANGE', KEYS[1], at - 1, math.min(at + size - 1, last) - 1)
    local found = string.find(text, byte, 1, true)
    while found and #seats < wanted do
      seats[#seats + 1] = at + found - 1
      found = string.find(text, byte, found + 1, true)
    end
    at, size = at + size, math.min(size * 4, CHUNK_MAX)
  end
  return seats
end

local function seats_from(start)
  local seats = {}
  for seat = start, start + quantity - 1 do
    seats[#seats + 1] = seat
  end
  return seats
end

-- Adjacent ordinary seats, or nil. The cursors stay at the run that was found, because the next seats of its
-- row may lie before the ones taken now. Updates the cursors for the pieces left on both sides.
local function adjacent(cursors)
  local cursor, clean = cursor_of(cursors, quantity), true
  local found, ended, from, read = find_run(cursor.clean, cursor.clean + LOOKAHEAD, true)
  cursor.clean = found or ended
  if not found then
    found, ended, from, read = find_run(cursor.fit, last, false)
    cursor.fit, clean = found or ended, false
  end
  if not found then
    return nil
  end
  local row, text = row_around(found, first, last, from, read)
  local place = nearest(text, needle, clean)
  local stop = place + quantity - 1
  pieces_left(cursors, {row + place - 1, row + stop - 1}, free_beside(text, place, stop))
  return seats_from(row + place - 1), nil
end

-- Adjacent seats that include an accessible one, and the accessible ones of them; or nil.
local function with_accessible(cursors, fewest)
  local cursor = accessible_cursor(cursors, quantity)
  local found, ended = find_accessible(cursor.fit)
  cursor.fit = found or ended
  if not found then
    return nil
  end
  local row, text = row_around(found, first, last, found, ':')
  local place = place_with_accessible(text, quantity, fewest)
  local accessible = {}
  for at = place, place + quantity - 1 do
    if string.byte(text, at) == FREE_ACCESSIBLE then
      accessible[#accessible + 1] = row + at - 1
    end
  end
  return seats_from(row + place - 1), accessible
end

-- Whether an accessible seat is free.
local function any_accessible(cursors)
  local cursor = accessible_cursor(cursors, 1)
  cursor.fit = find_seats(cursor.fit, ':', 1)[1] or last + 1
  return cursor.fit <= last
end

-- The first free seats at any place, preferring earlier ones of these bytes; and the accessible ones of
-- them; or nil.
local function scattered(cursors, bytes)
  local seats, found = {}, {}
  for byte in string.gmatch(bytes, '.') do
    if #seats < quantity then
      local cursor = byte == '.' and cursor_of(cursors, 0) or accessible_cursor(cursors, 1)
      local some = find_seats(cursor.fit, byte, quantity - #seats)
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
local function choose(cursors)
  if kind == 'standing' then
    return scattered(cursors, '.')
  end
  local seats, accessible = nil, nil
  if kind == 'seats' and quantity < cursors.ordinary then
    seats, accessible = adjacent(cursors)
    if not seats then
      seats, accessible = scattered(cursors, '.')
    end
  end
  if not seats and any_accessible(cursors) then
    seats, accessible = with_accessible(cursors, kind == 'seats')
    if not seats then
      seats, accessible = scattered(cursors, kind == 'seats' and '.:' or ':.')
    end
  end
  return seats, accessible
end

if kind == 'accessible' and not any_accessible(cursors) then
  write_cursors(cursors)
  return {'no_accessible'}
end
local seats, accessible = choose(cursors)
if not seats then
  cursors.least = math.min(cursors.least, quantity)
  write_cursors(cursors)
  return {'sold_out'}
end

local runs = accessible and runs_of(seats) or {{seats[1], seats[quantity]}}
write_runs(runs, 'h', accessible or {})
if accessible and kind ~= 'standing' then
  for _, run in ipairs(runs) do
    run_taken(cursors, run, last)
  end
end
write_cursors(cursors)
record_hold(order_id, user_id, repeat_field, seats, now + intent_ms)
return {'held', redis.call('HINCRBY', KEYS[2], 'version', 1), unpack(seats)}
