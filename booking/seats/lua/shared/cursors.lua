-- Where the search for free seats starts: what makes a hold cost the same on seat 10 and on 99,990.
--
-- meta `areas` is ";first-last;…", the areas that were searched so far. meta `cursors:first-last` is
-- "least;k:fit:clean;…" with, for every run length k that was asked for there:
--   fit    no k free seats next to each other start before this position
--   clean  no free run that k seats can be taken from without an orphan starts before it; an orphan
--          is left by a run of k + 1 seats and by no other
-- For k = 0: no free seat at all is before `fit`. least: so many seats are known not to be free.
-- A missing cursor means the area's first position: losing them costs one search, nothing else.
local NONE = 1000  -- more than anybody may ask for
local RUN_MAX = 20  -- seats an order; no longer run is ever searched for
local AREAS_MAX = 16384  -- bytes of `areas`; whatever is beyond is searched from its start

local function read_cursors(area, first)
  local cursors = {area = area, first = first, least = NONE, runs = {}}
  local text = redis.call('HGET', KEYS[2], 'cursors:' .. area)
  if text then
    cursors.known = true
    cursors.least = tonumber(string.match(text, '^%d+'))
    for length, fit, clean in string.gmatch(text, '(%d+):(%d+):(%d+)') do
      cursors.runs[tonumber(length)] = {fit = tonumber(fit), clean = tonumber(clean)}
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

local function write_cursors(cursors)
  if not cursors.known then
    local areas = redis.call('HGET', KEYS[2], 'areas') or ';'
    if #areas > AREAS_MAX then
      return
    end
    redis.call('HSET', KEYS[2], 'areas', areas .. cursors.area .. ';')
  end
  local parts = {tostring(cursors.least)}
  for length, cursor in pairs(cursors.runs) do
    parts[#parts + 1] = length .. ':' .. cursor.fit .. ':' .. cursor.clean
  end
  redis.call('HSET', KEYS[2], 'cursors:' .. cursors.area, table.concat(parts, ';'))
end

-- How many seats are free just before and just after a run, within first..last; counted up to
-- RUN_MAX + 2, beyond which it makes no difference to any cursor.
local function free_beside(run, first, last)
  local reach = RUN_MAX + 2
  local from, to = math.max(run[1] - reach, first), math.min(run[2] + reach, last)
  local left, right = 0, 0
  if from < run[1] then
    local text = redis.call('GETRANGE', KEYS[1], from - 1, run[1] - 2)
    left = #string.match(text, '%.*$')
  end
  if to > run[2] then
    local text = redis.call('GETRANGE', KEYS[1], run[2], to - 1)
    right = #string.match(text, '^%.*')
  end
  return left, right
end

-- A taken run leaves a piece on either side. A piece of exactly k seats is clean for k, though
-- the run that it was part of may have been passed over as unclean.
local function pieces_left(cursors, run, last)
  local left, right = free_beside(run, cursors.first, last)
  local on_left, on_right = cursors.runs[left], cursors.runs[right]
  if left > 0 and on_left then
    on_left.clean = math.min(on_left.clean, run[1] - left)
  end
  if right > 0 and on_right then
    on_right.clean = math.min(on_right.clean, run[2] + 1)
  end
end

local function run_freed(cursors, run, last)
  local left, right = free_beside(run, cursors.first, last)
  local start, length = run[1] - left, left + run[2] - run[1] + 1 + right
  cursors.least = NONE
  for wanted, cursor in pairs(cursors.runs) do
    if wanted == 0 then
      cursor.fit = math.min(cursor.fit, run[1])
    elseif length >= wanted then
      cursor.fit = math.min(cursor.fit, start)
      if length ~= wanted + 1 then
        cursor.clean = math.min(cursor.clean, start)
      end
    end
  end
end

-- Tells the cursors of every area about runs that were taken or freed, after it was written.
local function runs_changed(runs, tell)
  local areas = redis.call('HGET', KEYS[2], 'areas')
  if not areas or #runs == 0 then
    return
  end
  for first, last in string.gmatch(areas, '(%d+)-(%d+)') do
    local from, to = tonumber(first), tonumber(last)
    local cursors = nil
    for _, run in ipairs(runs) do
      if run[2] >= from and run[1] <= to then
        cursors = cursors or read_cursors(first .. '-' .. last, from)
        tell(cursors, {math.max(run[1], from), math.min(run[2], to)}, to)
      end
    end
    if cursors then
      write_cursors(cursors)
    end
  end
end
