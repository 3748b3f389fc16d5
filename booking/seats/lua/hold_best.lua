-- Hold the best free seats of an area: adjacent, lowest positions first, leaving no orphan where
-- that can be avoided; scattered ones when no so many are adjacent. Standing: the first that are free.
-- KEYS      seats, meta, tallies, holds, repeats, expiry
-- ARGV      order_id, user_id, tickets_max, intent_ms, repeat_field, first, last, quantity, standing
-- RETURNS   {'held', version, seat_id…} | {'sold_out'} | {'limit_reached', tickets}
--           | {'repeated', order_id} | {'not_loaded'}
-- INCLUDES  loaded, runs, cursors, orders
local CHUNK_MIN, CHUNK_MAX = 256, 65536  -- bytes read at a time; most holds need the first alone
local LOOKAHEAD = 65536  -- positions searched, a call, for seats that leave no orphan

local order_id, user_id, tickets_max = ARGV[1], ARGV[2], tonumber(ARGV[3])
local intent_ms, repeat_field = tonumber(ARGV[4]), ARGV[5]
local first, last, quantity = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local standing = ARGV[9] == '1'

-- The start of the first run of `quantity` free seats from a position on, and where the search ended.
-- clean: only a run that leaves no orphan; one that reaches over the first position was judged before.
local function find_run(from, limit, clean)
  local needle = string.rep('.', quantity)
  local at, size = from, CHUNK_MIN
  if clean and from > first and redis.call('GETRANGE', KEYS[1], from - 2, from - 2) == '.' then
    local rest = redis.call('GETRANGE', KEYS[1], from - 1, from + RUN_MAX)
    at = from + #string.match(rest, '^%.*')
  end
  while at + quantity - 1 <= last and at <= limit do
    local stop, i = math.min(at + size - 1, last), 1
    local text = redis.call('GETRANGE', KEYS[1], at - 1, math.min(stop + quantity + 1, last) - 1)
    local found = string.find(text, needle, i, true)
    while found and at + found - 1 <= stop do
      local after = found + quantity
      if not clean or string.byte(text, after) ~= 46 or string.byte(text, after + 1) == 46 then
        return at + found - 1
      end
      i = after + 1
      found = string.find(text, needle, i, true)
    end
    at = math.max(at + i - 1, stop + 1)
    size = math.min(size * 4, CHUNK_MAX)
  end
  return nil, at
end

-- The first free seats from a position on, as many as wanted or as there are.
local function find_seats(from)
  local seats, at, size = {}, from, CHUNK_MIN
  while at <= last and #seats < quantity do
    local text = redis.call('GETRANGE', KEYS[1], at - 1, math.min(at + size - 1, last) - 1)
    local found = string.find(text, '.', 1, true)
    while found and #seats < quantity do
      seats[#seats + 1] = at + found - 1
      found = string.find(text, '.', found + 1, true)
    end
    at, size = at + size, math.min(size * 4, CHUNK_MAX)
  end
  return seats
end

local function adjacent(cursors)
  local cursor = cursor_of(cursors, quantity)
  local start, ended = find_run(cursor.clean, cursor.clean + LOOKAHEAD, true)
  cursor.clean = start and start + quantity or ended
  if not start then
    start, ended = find_run(cursor.fit, last, false)
    cursor.fit = start and start + quantity or ended
  end
  if not start then
    return nil
  end
  local seats = {}
  for seat = start, start + quantity - 1 do
    seats[#seats + 1] = seat
  end
  return seats
end

local function scattered(cursors)
  local cursor = cursor_of(cursors, 0)
  local seats = find_seats(cursor.fit)
  if #seats < quantity then
    cursor.fit = seats[1] or last + 1
    cursors.least = math.min(cursors.least, quantity)
    return nil
  end
  cursor.fit = seats[quantity] + 1
  return seats
end

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
if quantity >= cursors.least then
  return {'sold_out'}
end
local seats = nil
if not standing then
  seats = adjacent(cursors)
end
seats = seats or scattered(cursors)
if not seats then
  write_cursors(cursors)
  return {'sold_out'}
end

local runs = runs_of(seats)
write_runs(runs, 'h')
if not standing then
  for _, run in ipairs(runs) do
    pieces_left(cursors, run, last)
  end
end
write_cursors(cursors)
record_hold(order_id, user_id, repeat_field, seats, now + intent_ms)
return {'held', redis.call('HINCRBY', KEYS[2], 'version', 1), unpack(seats)}
