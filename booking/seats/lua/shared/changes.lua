-- Seats that change in another way than by a hold.

-- Puts the seats of these runs into a state, here and in what is known of their segments.
local function change_runs(runs, state)
  for _, run in ipairs(runs) do
    local text = redis.call('GETRANGE', KEYS[1], run[1] - 1, run[2] - 1)
    local area = area_of(run[1])
    local segment = area and not area.nexts[0] and segment_at(run[1]) or known_segment(run[1])
    text = in_state(text, state)
    redis.call('SETRANGE', KEYS[1], run[1] - 1, text)
    if segment then
      join_area(segment, area)
      change_segment(segment, run[1] - segment.first + 1, text)
    end
    if area and state == '.' then
      area.least = ANY
      area.nexts[0] = area.nexts[0] and math.min(area.nexts[0], run[1])
      area_changed(area)
    end
  end
end
