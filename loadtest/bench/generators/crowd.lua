-- What wrk sends and checks. loadtest/bench/generators/traffic.py documents the plan.
--   wrk -t1 … -s crowd.lua URL -- FOLDER FIRST
-- Prints one line `HEARD {json}` at the end.

local ffi = require('ffi')
ffi.cdef [[
typedef struct { long s; long ns; } bench_time;
int clock_gettime(int clock, bench_time *now);
]]
local clock = ffi.new('bench_time')

local function now_ms()
  ffi.C.clock_gettime(1, clock)
  return tonumber(clock.s) * 1000 + tonumber(clock.ns) / 1e6
end

local WRONG_MAX = 50  -- kinds of wrong answers that are listed; tally.py has the same number

local the_thread
function setup(thread) the_thread = thread end

local plan, several, n, turn, rows, tokens
local waiting, began = {}, {}

local function lines(path)
  local found = {}
  for line in io.lines(path) do found[#found + 1] = line end
  return found
end

function init(args)
  plan = dofile(args[1] .. '/plan.lua')
  n, turn = tonumber(args[2]), 0
  several = #plan.calls > 1
  tokens = lines(args[1] .. '/tokens.txt')
  rows = {}
  for i, line in ipairs(lines(args[1] .. '/rows.txt')) do
    local row, at = {}, 0
    for column in (line .. '\t'):gmatch('([^\t]*)\t') do
      at = at + 1
      row[tostring(at)] = column
    end
    rows[i] = row
  end
  -- Globals, so that done() can read them from the main thread: name \0 status → count.
  counts, wrong, buckets, next_number = {}, {}, {}, n
  wrong_kinds = 0
end

local function call_in_turn()
  turn = turn % #plan.turns + 1
  local number = plan.turns[turn]
  local call = plan.calls[number]
  if call.needs_order and #waiting == 0 then
    for other, one in ipairs(plan.calls) do
      if not one.needs_order then return other, one end
    end
  end
  return number, call
end

function request()
  local number, call = call_in_turn()
  local mine, row = n, rows[n % #rows + 1]
  n = n + 1
  next_number = n
  if call.needs_order then
    local order = table.remove(waiting)
    mine, row = order.n, { order = order.id }
  end
  local id = plan.tag .. '-' .. mine .. '-' .. number
  local headers = { ['X-Request-ID'] = id }
  for name, value in pairs(call.headers) do headers[name] = (value:gsub('%$(%w+)', row)) end
  if plan.addresses > 0 then
    local a = mine % plan.addresses
    headers['X-Forwarded-For'] =
      '10.' .. math.floor(a / 65536) .. '.' .. math.floor(a / 256) % 256 .. '.' .. a % 256
  end
  if call.with_token then
    headers['Authorization'] = 'Bearer ' .. tokens[mine % #tokens + 1]
  end
  if call.with_key then headers['Idempotency-Key'] = id end
  local body
  if call.body ~= '' then
    headers['Content-Type'] = 'application/json'
    body = call.body:gsub('%$(%w+)', row)
  end
  if several then began[id] = now_ms() end
  return wrk.format(call.method, (call.path:gsub('%$(%w+)', row)), headers, body)
end

local function call_of(id)
  if not several then return 1 end
  return tonumber(id:match('%-(%d+)$'))
end

function response(status, headers, body)
  local id = headers['x-request-id'] or headers['X-Request-ID'] or ''
  local number = call_of(id)
  local call = plan.calls[number]
  if call == nil then
    wrong['answer without a request id'] = (wrong['answer without a request id'] or 0) + 1
    return
  end
  local key = call.name .. '\t' .. status
  counts[key] = (counts[key] or 0) + 1
  if several and began[id] then
    local bucket = call.name .. '\t' .. math.floor((now_ms() - began[id]) * 10)
    buckets[bucket] = (buckets[bucket] or 0) + 1
    began[id] = nil
  end
  local says = call.expects[status]
  if says == nil or (says ~= '' and not body:find(says, 1, true)) then
    local what = call.name .. ' ' .. status .. ': ' .. body:sub(1, 300)
    what = what:gsub('"request_id":"[^"]*"', ''):gsub('%x%x%x%x%x%x%x%x%-[%x-]+', '…')
    if wrong[what] == nil then
      if wrong_kinds < WRONG_MAX then wrong_kinds = wrong_kinds + 1 else what = 'other wrong answers' end
    end
    wrong[what] = (wrong[what] or 0) + 1
  elseif call.orders and status == 201 then
    local order = body:match('"order_id":"([%x-]+)"')
    waiting[#waiting + 1] = { id = order, n = tonumber(id:match('%-(%d+)%-%d+$')) }
  end
end

local function text(value)
  return '"' .. value:gsub('[%c"\\]', function(c) return string.format('\\u%04x', c:byte()) end) .. '"'
end

local function object(entries)
  local parts = {}
  for key, value in pairs(entries) do parts[#parts + 1] = text(key) .. ':' .. value end
  return '{' .. table.concat(parts, ',') .. '}'
end

function done(summary, latency, requests)
  local e = summary.errors
  print('HEARD ' .. object {
    seconds = string.format('%.6f', summary.duration / 1e6),
    next = the_thread:get('next_number'),
    counts = object(the_thread:get('counts')),
    buckets = object(the_thread:get('buckets')),
    wrong = object(the_thread:get('wrong')),
    errors = e.connect + e.read + e.write + e.timeout,
    latency_us = '[' .. latency:percentile(50) .. ',' .. latency:percentile(95) .. ','
      .. latency:percentile(99) .. ',' .. latency.max .. ']',
  })
end
