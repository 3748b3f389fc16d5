-- Updates of the cursors after seats were freed.

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
