-- Updates of the cursors after seats were taken or freed in another way than by a search.

-- Updates the cursors of every area, after runs were taken or freed in `seats`. The caller writes them.
local function runs_changed(runs, tell)
  for first, last in string.gmatch(searched_areas(), '(%d+)-(%d+)') do
    local from, to = tonumber(first), tonumber(last)
    local cursors = nil
    for _, run in ipairs(runs) do
      if run[2] >= from and run[1] <= to then
        cursors = cursors or read_cursors(first .. '-' .. last, from)
        tell(cursors, {math.max(run[1], from), math.min(run[2], to)}, to)
      end
    end
    if cursors then
      cursors_changed(cursors)
    end
  end
end
