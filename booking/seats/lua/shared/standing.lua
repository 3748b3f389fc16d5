-- Places of a floor for standing: the first free ones. `next` of its area says where to begin.
local CHUNK_MIN, CHUNK_MAX = 256, 65536  -- bytes read at a time; most holds need only the first chunk

-- The first free places of an area, or nil if there are fewer.
local function first_places(area, wanted)
  local places, size = {}, CHUNK_MIN
  local at = area.nexts[0] or area.first
  area_changed(area)
  while at <= area.last and #places < wanted do
    local text = redis.call('GETRANGE', KEYS[1], at - 1, math.min(at + size - 1, area.last) - 1)
    bytes_read = bytes_read + #text
    local found = string.find(text, '.', 1, true)
    while found and #places < wanted do
      places[#places + 1] = at + found - 1
      found = string.find(text, '.', found + 1, true)
    end
    at, size = at + size, math.min(size * 4, CHUNK_MAX)
  end
  area.nexts[0] = places[1] or area.last + 1
  if #places == wanted then
    area.nexts[0] = places[wanted] + 1
    return places
  end
  area.least = math.min(area.least, #places + 1)
end
