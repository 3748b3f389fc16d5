-- The bytes of the seats (bytes.py), by run. Each state has a byte for an ordinary seat and one for an
-- accessible seat, so that what a seat is stays beside what became of it.

-- Seats next to each other, as pairs {first, last}, of ascending seat ids.
local function runs_of(seats)
  local runs = {}
  for _, seat in ipairs(seats) do
    local run = runs[#runs]
    if run and run[2] == seat - 1 then
      run[2] = seat
    else
      runs[#runs + 1] = {seat, seat}
    end
  end
  return runs
end

-- accessible: those of the seats that are accessible.
local function write_runs(runs, state, accessible)
  for _, run in ipairs(runs) do
    redis.call('SETRANGE', KEYS[1], run[1] - 1, string.rep(state, run[2] - run[1] + 1))
  end
  for _, seat in ipairs(accessible) do
    redis.call('SETRANGE', KEYS[1], seat - 1, state == '.' and ':' or string.upper(state))
  end
end
