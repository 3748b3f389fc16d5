-- Cursors: where the search for free seats starts. They make a hold cost the same on seat 10 and on 99,990.
--
-- meta `searched` is ";first-last;…", the areas searched so far. meta `search:first-last` is
-- "least,ordinary;k:fit:clean;…;ak:fit;…" with, for every run length k that was requested there:
--   fit    no k adjacent ordinary free seats start before this position
--   clean  before this position starts no run of ordinary free seats from which k can be taken without an
--          orphan; only a run of k + 1 seats leaves an orphan
--   ak     before this position no free accessible seat is part of k adjacent free seats of either kind
-- For k = 0: no ordinary free seat is before `fit`. least: this many free seats are known not to exist;
-- ordinary: this many free ordinary seats are known not to exist.
-- A missing cursor means the area's first position, so a lost cursor costs one search and nothing else.
local NONE = 1000  -- more than any order may have
local RUN_MAX = 20  -- seats an order; longer runs are never searched
local AREAS_MAX = 16384  -- bytes of `searched`; further areas are searched from their start

local cursors_read = {}  -- by area; they change with each order of this call, and are written once, at its end
local searched, searched_before = nil, nil

local function parse_cursors(area, first, text)
  local cursors = {
    area = area, first = first, least = NONE, ordinary = NONE, runs = {}, accessible = {},
  }
  if text then
    cursors.text = text
    local least, ordinary = string.match(text, '^(%d+),(%d+)')
    cursors.least, cursors.ordinary = tonumber(least), tonumber(ordinary)
    for length, fit, clean in string.gmatch(text, ';(%d+):(%d+):(%d+)') do
      cursors.runs[tonumber(length)] = {fit = tonumber(fit), clean = tonumber(clean)}
    end
    if string.find(text, 'a', 1, true) then
      for length, fit in string.gmatch(text, ';a(%d+):(%d+)') do
        cursors.accessible[tonumber(length)] = {fit = tonumber(fit)}
      end
    end
  end
  return cursors
end

local function read_cursors(area, first)
  local cursors = cursors_read[area]
  if not cursors then
    cursors = parse_cursors(area, first, redis.call('HGET', KEYS[2], 'search:' .. area))
    cursors_read[area] = cursors
  end
  return cursors
end

local function searched_areas()
  if not searched then
    searched_before = redis.call('HGET', KEYS[2], 'searched') or ';'
    searched = searched_before
  end
  return searched
end

local function cursor_of(cursors, length)
  local cursor = cursors.runs[length]
  if not cursor then
    cursor = {fit = cursors.first, clean = cursors.first}
    cursors.runs[length] = cursor
  end
  return cursor
end

local function accessible_cursor(cursors, length)
  local cursor = cursors.accessible[length]
  if not cursor then
    cursor = {fit = cursors.first}
    cursors.accessible[length] = cursor
  end
  return cursor
end

-- They will be written. An area that there is no room for begins anew with the next order.
local function cursors_changed(cursors)
  if not cursors.text and not cursors.is_listed then
    if #searched_areas() > AREAS_MAX then
      cursors_read[cursors.area] = nil
      return
    end
    searched = searched .. cursors.area .. ';'
    cursors.is_listed = true
  end
  cursors.are_changed = true
end

local function cursors_text(cursors)
  local parts = {cursors.least .. ',' .. cursors.ordinary}
  for length, cursor in pairs(cursors.runs) do
    parts[#parts + 1] = length .. ':' .. cursor.fit .. ':' .. cursor.clean
  end
  for length, cursor in pairs(cursors.accessible) do
    parts[#parts + 1] = 'a' .. length .. ':' .. cursor.fit
  end
  return table.concat(parts, ';')
end

-- Writes those that have changed; and the session's version, if it has changed and is not written yet.
local function write_cursors(version)
  local fields = version and {'version', digits(version)} or {}
  for area, cursors in pairs(cursors_read) do
    local text = cursors.are_changed and cursors_text(cursors)
    if text and text ~= cursors.text then
      fields[#fields + 1] = 'search:' .. area
      fields[#fields + 1] = text
    end
  end
  if searched ~= searched_before then
    fields[#fields + 1] = 'searched'
    fields[#fields + 1] = searched
  end
  if #fields > 0 then
    redis.call('HSET', KEYS[2], unpack(fields))
  end
end

-- The bytes of a run and of RUN_MAX + 2 positions on either side, within first..last, and the run's begin and
-- end in them. Positions farther away do not matter to any cursor.
local function bytes_around(run, first, last)
  local reach = RUN_MAX + 2
  local from, to = math.max(run[1] - reach, first), math.min(run[2] + reach, last)
  local text = redis.call('GETRANGE', KEYS[1], from - 1, to - 1)
  return text, run[1] - from + 1, run[2] - from + 1
end

-- The numbers of free ordinary seats directly before and after a stretch of a text.
local function free_beside(text, start, stop)
  local right = string.find(text, '[^.]', stop + 1) or #text + 1
  return #string.match(string.sub(text, 1, start - 1), '%.*$'), right - stop - 1
end

-- A taken run leaves a piece on either side. A piece of exactly k seats is clean for k, even if the search
-- skipped the whole run as not clean.
local function pieces_left(cursors, run, left, right)
  local on_left, on_right = cursors.runs[left], cursors.runs[right]
  if left > 0 and on_left then
    on_left.clean = math.min(on_left.clean, run[1] - left)
  end
  if right > 0 and on_right then
    on_right.clean = math.min(on_right.clean, run[2] + 1)
  end
end

local function run_taken(cursors, run, last)
  pieces_left(cursors, run, free_beside(bytes_around(run, cursors.first, last)))
end
