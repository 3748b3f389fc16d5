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

local function read_cursors(area, first)
  local cursors = {
    area = area, first = first, least = NONE, ordinary = NONE, runs = {}, accessible = {},
  }
  local text = redis.call('HGET', KEYS[2], 'search:' .. area)
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

local function write_cursors(cursors)
  if not cursors.text then
    local areas = redis.call('HGET', KEYS[2], 'searched') or ';'
    if #areas > AREAS_MAX then
      return
    end
    redis.call('HSET', KEYS[2], 'searched', areas .. cursors.area .. ';')
  end
  local parts = {cursors.least .. ',' .. cursors.ordinary}
  for length, cursor in pairs(cursors.runs) do
    parts[#parts + 1] = length .. ':' .. cursor.fit .. ':' .. cursor.clean
  end
  for length, cursor in pairs(cursors.accessible) do
    parts[#parts + 1] = 'a' .. length .. ':' .. cursor.fit
  end
  local text = table.concat(parts, ';')
  if text ~= cursors.text then
    redis.call('HSET', KEYS[2], 'search:' .. cursors.area, text)
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
