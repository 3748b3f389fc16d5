-- Updates of the cursors after seats were taken or freed by another script than hold_best.

-- Moves cursors back: `length` ordinary seats from a position on are free now.
local function ordinary_freed(cursors, start, length)
  for wanted, cursor in pairs(cursors.runs) do
    if length >= wanted then
      cursor.fit = math.min(cursor.fit, start)
      if length ~= wanted + 1 then
        cursor.clean = math.min(cursor.clean, start)
      end
    end
  end
end

local function run_freed(cursors, run, last)
  local text, start, stop = bytes_around(run, cursors.first, last)
  local from = run[1] - start
  cursors.least, cursors.ordinary = NONE, NONE
  local left, right = string.find(text, '%.+')
  while left and left <= stop do
    if right >= start then
      ordinary_freed(cursors, from + left, right - left + 1)
    end
    left, right = string.find(text, '%.+', right + 1)
  end
  if next(cursors.accessible) then
    left, right = free_beside(string.gsub(text, ':', '.'), start, stop)
    local accessible = string.find(text, ':', start - left, true)
    if accessible and accessible <= stop + right then
      for wanted, cursor in pairs(cursors.accessible) do
        if left + stop - start + 1 + right >= wanted then
          cursor.fit = math.min(cursor.fit, from + accessible)
        end
      end
    end
  end
end

-- Updates the cursors of every area, after runs were taken or freed in `seats`.
local function runs_changed(runs, tell)
  local areas = redis.call('HGET', KEYS[2], 'searched')
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
