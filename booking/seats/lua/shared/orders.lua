-- Several orders of one call, and their holds. `holds` maps order id → "user|repeat|seat,seat…" and each held
-- seat → order id. The second is the fence: only the order that a seat names may release or sell it.

-- The orders in ARGV from a place on. Those that pick have `numbers`, their seats; the others have `quantity`,
-- `accessible` ones of them, `two_rows`, and the names of their areas.
local function read_orders(at)
  local orders, stop = {}, #ARGV
  while at <= stop do
    local order = {
      id = ARGV[at], user = ARGV[at + 1], tickets_max = tonumber(ARGV[at + 2]),
      field = ARGV[at + 3], kind = ARGV[at + 4], numbers = {},
    }
    local first, count = at + 6, tonumber(ARGV[at + 5])
    at = first + count
    if order.kind == 'best' or order.kind == 'standing' then
      order.quantity, order.accessible = tonumber(ARGV[first]), tonumber(ARGV[first + 1])
      order.two_rows, order.areas = ARGV[first + 2] == '1', {}
      for n = first + 3, at - 1, 2 do
        order.areas[#order.areas + 1] = ARGV[n] .. '-' .. ARGV[n + 1]
      end
    else
      for n = first, at - 1 do
        order.numbers[#order.numbers + 1] = tonumber(ARGV[n])
      end
    end
    orders[#orders + 1] = order
  end
  return orders
end

-- What is written about these orders: earlier ones with their repeat field or their id, and their users'
-- tickets; and the lists of what `write_holds` will write.
local function look_up(orders)
  read_areas(orders[1].areas or {})
  local known = {
    tickets = {}, holds = {}, repeats = {}, version = meta.version,
    new_tickets = {}, new_holds = {}, new_repeats = {}, deadlines = {},
  }
  local users, ids, fields = {}, {}, {}
  for n, order in ipairs(orders) do
    users[n], ids[n], fields[n] = order.user, order.id, order.field
  end
  local tickets = redis.call('HMGET', KEYS[3], unpack(users))
  local holds = redis.call('HMGET', KEYS[4], unpack(ids))
  local repeats = redis.call('HMGET', KEYS[5], unpack(fields))
  for n, order in ipairs(orders) do
    known.tickets[order.user], known.holds[order.id] = tickets[n], holds[n]
    known.repeats[order.field] = repeats[n]
  end
  return known
end

-- The order that is in progress for the same request, if any.
local function repeated(known, order, now)
  local earlier = known.repeats[order.field]
  if earlier then
    local earlier_id, until_ms = string.match(earlier, '^([^|]+)|(%d+)$')
    if tonumber(until_ms) > now then
      return earlier_id
    end
  end
  return known.holds[order.id] and order.id
end

-- Remembers a hold for `write_holds`. The caller has written the bytes of the seats.
local function record_hold(known, order, seats, due_ms)
  local id, user, field, due = order.id, order.user, order.field, digits(due_ms)
  local record = user .. '|' .. field .. '|' .. table.concat(seats, ',')
  local tickets = tonumber(known.tickets[user] or 0) + #seats
  known.version, known.tickets[user], known.holds[id] = known.version + 1, tickets, record
  local holds, tallies, deadlines = known.new_holds, known.new_tickets, known.deadlines
  local last = #holds + 2
  holds[last - 1], holds[last] = id, record
  for n = 1, #seats do
    holds[last + 1], holds[last + 2] = seats[n], id
    last = last + 2
  end
  tallies[#tallies + 1], tallies[#tallies + 2] = user, tickets
  deadlines[#deadlines + 1], deadlines[#deadlines + 2] = due, id
  if field ~= '' then
    local repeats, value = known.new_repeats, id .. '|' .. due
    known.repeats[field] = value
    repeats[#repeats + 1], repeats[#repeats + 2] = field, value
  end
end

-- Writes the records and the fences, the tallies, the deadlines and the repeat fields.
local function write_holds(known)
  if #known.new_holds > 0 then
    redis.call('HSET', KEYS[4], unpack(known.new_holds))
    redis.call('HSET', KEYS[3], unpack(known.new_tickets))
    redis.call('ZADD', KEYS[6], unpack(known.deadlines))
  end
  if #known.new_repeats > 0 then
    redis.call('HSET', KEYS[5], unpack(known.new_repeats))
  end
end
