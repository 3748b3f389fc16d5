-- Seats by run: adjacent ones are read and written together.

-- Groups ascending seat ids into runs of adjacent seats, as pairs {first, last}.
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

-- Puts the seats of these runs into a state.
local function write_runs(runs, state)
  for _, run in ipairs(runs) do
    local text = redis.call('GETRANGE', KEYS[1], run[1] - 1, run[2] - 1)
    redis.call('SETRANGE', KEYS[1], run[1] - 1, in_state(text, state))
  end
end
