-- The segments of an area in order of the best place that each has, for each need that was asked for in the area.
--
-- `bounds` has a member for an area, a need and a segment that has a place: score ((first position of the area *
-- 1024 + need) * 2^20 + lag), member the segment's first and last position (seven digits each), a colon, the need.
-- So of one area and need the best comes first, and of equals the one with the lowest positions. Every script that
-- changes seats writes the lags of their segments anew. `bounds` also has the areas that were asked for: score
-- last position, member "area:first-last".
-- meta `sizes:first-last` is "least;need:next:top;…": `least` ordinary free seats are known not to exist (with `w`:
-- the area has tables); of each need the positions before `next` are in `bounds`, and no place has a smaller lag than
-- `top`: of many areas only those need a look that may have the best. For standing the need is 0, and no free place
-- is before `next`.
local ANY = 1000  -- `least`: nothing is known; more than any order may have
local LAGS = 1048576
local GROWTH = 8192  -- positions that one call adds to `bounds`
local MEMBERS_MAX = 500  -- in one command
local OLD_AREA = '1-2000000'  -- what the release before this one changes leaves a mark there

local areas = {}  -- by name; written once, at the end of the call
local grown = 0
local meta  -- of the session: its version, and whether the release before this one has changed seats

local function parse_area(name, text)
  local first, last = string.match(name, '^(%d+)%-(%d+)$')
  local area = {
    name = name, first = tonumber(first), last = tonumber(last), least = ANY, nexts = {}, tops = {}, known = {},
    heads = {}, text = text,
  }
  if text then
    local least, whole = string.match(text, '^(%d+)(w?)')
    area.least, area.has_tables = tonumber(least), whole == 'w'
    for need, next, top in string.gmatch(text, ';(%d+):(%d+):(%d+)') do
      need = tonumber(need)
      area.nexts[need], area.tops[need] = tonumber(next), tonumber(top)
    end
  end
  areas[name] = area
  return area
end

-- The areas with these names ("first-last"). Reads `meta` as well.
local function read_areas(names)
  local found, fields, missing = {}, {'version', 'search:' .. OLD_AREA}, {}
  for n, name in ipairs(names) do
    found[n] = areas[name]
    if not found[n] then
      fields[#fields + 1], missing[#missing + 1] = 'sizes:' .. name, n
    end
  end
  if #missing > 0 or not meta then
    local texts = redis.call('HMGET', KEYS[2], unpack(fields))
    for at, n in ipairs(missing) do
      found[n] = parse_area(names[n], texts[at + 2])
    end
    meta = meta or {version = tonumber(texts[1] or 0), others_have_written = texts[2]}
    bytes_read = bytes_read + 64 * #missing
  end
  return found
end

-- The area of a position, if it was asked for before.
local function area_of(position)
  for _, area in pairs(areas) do
    if area.first <= position and position <= area.last then
      return area
    end
  end
  local found = redis.call('ZRANGEBYSCORE', KEYS[8], position, '+inf', 'LIMIT', 0, 1)[1]
  local first, last = string.match(found or '', '^area:(%d+)%-(%d+)$')
  if first and tonumber(first) <= position then
    return read_areas({first .. '-' .. last})[1]
  end
end

local function area_changed(area)
  if not area.text and not area.is_listed then
    area.is_listed = true
    redis.call('ZADD', KEYS[8], area.last, 'area:' .. area.name)
    redis.call('HSET', KEYS[2], 'searched', ';' .. OLD_AREA .. ';')
  end
  area.is_changed = true
end

local function bounds_of(area, need)
  return (area.first * 1024 + need) * LAGS
end

local function member_of(first, last, need)
  return string.format('%07d%07d:%d', first, last, need)
end

local function add_members(area, need, text, from, scores)
  local base, fields = bounds_of(area, need), {}
  for at, part in string.gmatch(text, '()([^|/]+)') do
    local stop = at + #part - 1
    if may_have_place(part, need) then
      local lag = best_place(part, numbers_in(scores, at, stop), need)
      if lag < NONE then
        fields[#fields + 1] = base + lag
        fields[#fields + 1] = member_of(from + at - 1, from + stop - 1, need)
      end
    end
    if #fields >= 2 * MEMBERS_MAX then
      redis.call('ZADD', KEYS[8], unpack(fields))
      fields = {}
    end
  end
  if #fields > 0 then
    redis.call('ZADD', KEYS[8], unpack(fields))
  end
end

-- Whether `bounds` has all segments of an area for a need. If not, some more are added.
local function is_ready(area, need)
  local at = area.nexts[need] or area.first
  if at > area.last then
    return true
  end
  area_changed(area)
  while at <= area.last and grown < GROWTH do
    local stop = math.min(at + GROWTH - 1, area.last)
    local text = redis.call('GETRANGE', KEYS[1], at - 1, stop - 1)
    local cut = stop < area.last and string.match(text, '^.*()[|/]')
    text = cut and string.sub(text, 1, cut - 1) or text
    area.has_tables = area.has_tables or string.find(text, ',', 1, true) ~= nil
    add_members(area, need, text, at, score_bytes(at, at + #text - 1))
    grown, at = grown + stop - at + 1, cut and at + cut or stop + 1
  end
  area.nexts[need] = at
  return at > area.last
end

-- The first segment of an area that this call has not read yet: first and last position, and lag.
local function next_segment(area, need)
  local head = area.heads[need]
  if not head then
    head = {at = 1}
    area.heads[need] = head
  end
  while true do
    if not head[head.at] then
      if head.is_whole then
        return nil
      end
      local base, size = bounds_of(area, need), math.min(math.max(#head, 2) / 2, 64)
      local found = redis.call('ZRANGEBYSCORE', KEYS[8], base, base + NONE - 1, 'WITHSCORES', 'LIMIT', #head / 2, size)
      for n = 1, #found do
        head[#head + 1] = found[n]
      end
      head.is_whole = #found < 2 * size
      bytes_read = bytes_read + 64 * size
    else
      local member = head[head.at]
      local first = tonumber(string.sub(member, 1, 7))
      local read = segment_from[first]
      if not read or not read.area then
        return first, tonumber(string.sub(member, 8, 14)), tonumber(head[head.at + 1]) - bounds_of(area, need)
      end
      head.at = head.at + 2
    end
  end
end

-- The better one of a segment and what is best in an area for a need, and its lag.
local function better_of(area, need, best, lag)
  local known, looked_at, top = area.known, 0, NONE
  local first, last, its = next_segment(area, need)
  while true do
    for n = looked_at + 1, #known do
      local segment = known[n]
      local of_this = place_in(segment, need)
      top = math.min(top, of_this)
      if of_this < lag or of_this == lag and best and segment.first < best.first then
        best, lag = segment, of_this
      end
    end
    looked_at = #known
    if not first or its > lag or its == lag and (not best or first >= best.first) then
      break
    end
    local segment = segment_from[first] or segment_between(first, last)
    segment.area = area
    known[#known + 1] = segment
    if place_in(segment, need) == its then
      first = nil  -- the others of the area are not better
    else
      segment.is_changed = true  -- by the release before this one; so it is written anew
      first, last, its = next_segment(area, need)
    end
  end
  return best, lag, math.min(top, its or NONE)
end

-- The best segment of several areas for a need, and the index of its best place; nil if there is none.
local function best_of(some, need)
  local best, lag, likely, top = nil, NONE, some[1], nil
  for _, area in ipairs(some) do
    if (area.tops[need] or 0) < (likely.tops[need] or 0) then
      likely = area
    end
  end
  local function look(area)
    best, lag, top = better_of(area, need, best, lag)
    if #some > 1 and top ~= area.tops[need] then
      area.tops[need] = top
      area_changed(area)
    end
  end
  look(likely)
  for _, area in ipairs(some) do
    local least = #area.known > 0 and 0 or area.tops[need] or 0
    if area ~= likely and (least < lag or least == lag and best and area.first < best.first) then
      look(area)
    end
  end
  return best, best and best.places[need]
end

-- Some of the best segments of several areas, so many at most of each.
local function best_segments(some, need, segments_max)
  local found = {}
  for _, area in ipairs(some) do
    for _ = 1, segments_max do
      local first, last = next_segment(area, need)
      if not first then
        break
      end
      local segment = segment_from[first] or segment_between(first, last)
      segment.area = area
      area.known[#area.known + 1] = segment
    end
    for _, segment in ipairs(area.known) do
      found[#found + 1] = segment
    end
  end
  return found
end

-- A segment that was not found by `best_of` is one of its area's from now on.
local function join_area(segment, area)
  if area and not segment.area then
    segment.area = area
    area.known[#area.known + 1] = segment
  end
end

-- Forgets what is known of all areas; the next orders begin anew. The release before this one has changed seats: its
-- scripts keep cursors for the areas that meta `searched` lists, and not `bounds`.
local function begin_anew()
  local fields = {'search:' .. OLD_AREA}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[8], 1, LAGS * 1024 - 1)) do
    fields[#fields + 1] = 'sizes:' .. string.sub(member, 6)
  end
  redis.call('HDEL', KEYS[2], unpack(fields))
  for _, area in pairs(areas) do
    area.least, area.nexts, area.tops, area.heads, area.is_changed = ANY, {}, {}, {}, true
  end
  meta.others_have_written = false
end

local function area_text(area)
  local parts = {area.least .. (area.has_tables and 'w' or '')}
  for need, next in pairs(area.nexts) do
    parts[#parts + 1] = need .. ':' .. next .. ':' .. (area.tops[need] or 0)
  end
  return table.concat(parts, ';')
end

-- Writes the lags of changed segments, and what is known of areas; and the session's version, if it has changed
-- and is not written yet.
local function write_bounds(version)
  local members, fields = {}, version and {'version', digits(version)} or {}
  for _, segment in ipairs(segments) do
    local area = segment.is_changed and segment.area
    for need in pairs(area and area.nexts or {}) do
      if need > 0 and (need < 32 or string.find(segment.text, '[:HSB]')) then
        local lag = place_in(segment, need)
        members[#members + 1] = bounds_of(area, need) + lag
        members[#members + 1] = member_of(segment.first, segment.last, need)
        if lag < (area.tops[need] or 0) then
          area.tops[need], area.is_changed = lag, true
        end
      end
    end
  end
  for at = 1, #members, 2 * MEMBERS_MAX do
    redis.call('ZADD', KEYS[8], unpack(members, at, math.min(at + 2 * MEMBERS_MAX - 1, #members)))
  end
  for name, area in pairs(areas) do
    if area.is_changed then
      fields[#fields + 1] = 'sizes:' .. name
      fields[#fields + 1] = area_text(area)
    end
  end
  if #fields > 0 then
    redis.call('HSET', KEYS[2], unpack(fields))
  end
end
