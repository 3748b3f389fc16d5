-- Writing the bytes of seats (bytes.py) by run. Each state has one byte for ordinary and one for accessible
-- seats, so that the byte keeps the kind of the seat.

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

-- accessible: the accessible ones of the seats.
local function write_runs(runs, state, accessible)
  for _, run in ipairs(runs) do
    redis.call('SETRANGE', KEYS[1], run[1] - 1, string.rep(state, run[2] - run[1] + 1))
  end
  for _, seat in ipairs(accessible) do
    redis.call('SETRANGE', KEYS[1], seat - 1, state == '.' and ':' or string.upper(state))
  end
end
