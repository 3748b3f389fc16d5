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

local function write_runs(runs, state)
  for _, run in ipairs(runs) do
    redis.call('SETRANGE', KEYS[1], run[1] - 1, string.rep(state, run[2] - run[1] + 1))
  end
end
