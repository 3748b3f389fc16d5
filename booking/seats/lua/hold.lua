-- Hold seats for several orders of a session, one after the other as if each had come alone. Each is held
-- whole or not at all, and none is refused for another's sake.
-- kind: `exact` takes these seats; `seats`, `accessible` and `standing` take the best ones of an area.
-- later: send it again; the call has read very much already, or failed at this order.
-- KEYS      seats, meta, tallies, holds, repeats, expiry
-- ARGV      intent_ms, order…  (each: order_id, user_id, tickets_max, repeat_field, kind, count, and so many
--           numbers: seat ids ascending, or first, last, quantity)
-- RETURNS   {'answered', answer…} | {'not_loaded'}
--           answer: {'held', version, seat_id…} | {'taken', seat_id…} | {'sold_out'} | {'no_accessible'}
--           | {'limit_reached', tickets} | {'repeated', order_id} | {'later'}
-- INCLUDES  loaded, runs, rows, cursors, areas, searching, orders, each
local BYTES_MAX = 262144  -- read for the orders before; beyond it the others come with the next call

if not loaded() then
  return {'not_loaded'}
end
local now = now_ms()
local orders = read_orders(2)
local known = look_up(orders)

local function held(order, seats)
  record_hold(known, order, seats, now + tonumber(ARGV[1]))
  return {'held', known.version, unpack(seats)}
end

local function hold_exact(order, tickets)
  local accessible, taken = {}, {'taken'}
  for n, byte in ipairs(bytes_of(order.numbers)) do
    if byte == ':' then
      accessible[#accessible + 1] = order.numbers[n]
    elseif byte ~= '.' then
      taken[#taken + 1] = order.numbers[n]
    end
  end
  if #taken > 1 then
    return taken
  end
  if tickets + #order.numbers > order.tickets_max then
    return {'limit_reached', tickets}
  end
  local runs = runs_of(order.numbers)
  write_runs(runs, 'h', accessible)
  runs_changed(runs, run_taken)
  return held(order, order.numbers)
end

local function hold_best(order, tickets)
  local quantity, kind = order.quantity, order.kind
  if tickets + quantity > order.tickets_max then
    return {'limit_reached', tickets}
  end
  local cursors = read_cursors(order.area, order.first)
  if quantity >= cursors.least and kind ~= 'accessible' then
    return {'sold_out'}
  end
  cursors_changed(cursors)
  if kind == 'accessible' and not any_accessible(order, cursors) then
    return {'no_accessible'}
  end
  local seats, accessible = choose(order, cursors)
  if not seats then
    cursors.least = math.min(cursors.least, quantity)
    return {'sold_out'}
  end
  local runs = accessible and runs_of(seats) or {{seats[1], seats[quantity]}}
  write_runs(runs, 'h', accessible or {})
  if accessible and kind ~= 'standing' then
    for _, run in ipairs(runs) do
      run_taken(cursors, run, order.last)
    end
  end
  return held(order, seats)
end

local function hold(order)
  if bytes_read > BYTES_MAX then
    return {'later'}
  end
  local earlier = repeated(known, order, now)
  if earlier then
    return {'repeated', earlier}
  end
  local tickets = tonumber(known.tickets[order.user] or 0)
  return order.kind == 'exact' and hold_exact(order, tickets) or hold_best(order, tickets)
end

local answers = answer_each({'answered'}, orders, hold, {'later'})
write_holds(known)
write_cursors(#known.new_holds > 0 and known.version)
return answers
