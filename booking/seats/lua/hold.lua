-- Hold seats for several orders of a session, one after the other as if each had come alone. Each is held
-- whole or not at all, and none is refused for another's sake.
-- kind: `exact` takes these seats, `tidy` too unless that leaves a single seat; `best` takes the best ones of
-- some areas, `standing` the first places of one.
-- later: send it again; the call has read very much already, or failed at this order.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds
-- ARGV      intent_ms, order…  (each: order_id, user_id, tickets_max, repeat_field, kind, count, and so many
--           numbers: seat ids ascending; or quantity, accessible ones of them, 1 for two rows, and the first
--           and the last position of each area)
-- RETURNS   {'answered', answer…} | {'not_loaded'}
--           answer: {'held', version, how, alone, seat_id…} | {'taken', seat_id…} | {'alone', seat_id…}
--           | {'sold_out', also} | {'no_accessible'} | {'limit_reached', tickets} | {'repeated', order_id}
--           | {'later'}; how: 1 for a group in pieces; alone: seats left alone, with commas; also: 1 if more
--           seats are not to be had either
-- INCLUDES  loaded, states, runs, places, segments, bounds, changes, choosing, standing, orders, each
local BYTES_MAX = 262144  -- read for the orders before; beyond it the others come with the next call

if not loaded() then
  return {'not_loaded'}
end
local now = now_ms()
local orders = read_orders(2)
local known = look_up(orders)

local function held(order, seats, how, alone)
  record_hold(known, order, seats, now + tonumber(ARGV[1]))
  return {'held', known.version, how, alone, unpack(seats)}
end

-- The bytes of the seats, and the segments of those that are not on a floor for standing.
local function look_at(seats)
  local bytes, segment = {}, nil
  for n, seat in ipairs(seats) do
    if not segment or seat > segment.last then
      segment = segment_at(seat)
    end
    if segment then
      bytes[n] = string.sub(segment.text, seat - segment.first + 1, seat - segment.first + 1)
    else
      bytes[n] = redis.call('GETRANGE', KEYS[1], seat - 1, seat - 1)
    end
  end
  return bytes
end

-- Single ordinary seats beside what was chosen that were not single before.
local function left_alone()
  local alone = {}
  for _, piece in ipairs(chosen) do
    local text, at, stop = piece.segment.text, piece.at, piece.at + piece.seats - 1
    local function look(index, next, was)
      local seat = piece.segment.first + index - 1
      if was == 46 and string.byte(text, index) == 46 and string.byte(text, next) ~= 46 and alone[#alone] ~= seat then
        alone[#alone + 1] = seat
      end
    end
    look(at - 1, at - 2, string.byte(piece.before, 1))
    look(stop + 1, stop + 2, string.byte(piece.before, -1))
  end
  return alone
end

local function hold_exact(order, tickets)
  local taken = {'taken'}
  for n, byte in ipairs(look_at(order.numbers)) do
    if state_of(byte) ~= '.' then
      taken[#taken + 1] = order.numbers[n]
    end
  end
  if #taken > 1 then
    return taken
  end
  if tickets + #order.numbers > order.tickets_max then
    return {'limit_reached', tickets}
  end
  local on_floors = {}
  for _, run in ipairs(runs_of(order.numbers)) do
    local segment = segment_at(run[1])
    if segment then
      join_area(segment, area_of(run[1]))
      take(segment, run[1] - segment.first + 1, run[2] - run[1] + 1)
    else
      on_floors[#on_floors + 1] = run
    end
  end
  local alone = left_alone()
  if order.kind == 'tidy' and #alone > 0 then
    give_back()
    return {'alone', unpack(alone)}
  end
  write_chosen()
  change_runs(on_floors, 'h')
  return held(order, order.numbers, 0, table.concat(alone, ','))
end

local function hold_standing(order, area)
  local places = order.quantity < area.least and first_places(area, order.quantity)
  if not places then
    return {'sold_out', 1}
  end
  change_runs(runs_of(places), 'h')
  return held(order, places, 0, '')
end

-- Whether it is known that these areas have too few free seats.
local function are_sold_out(order, some)
  local left = 0
  for _, area in ipairs(some) do
    left = left + (area.has_tables and ANY or area.least - 1)
  end
  return order.accessible == 0 and order.quantity > left
end

-- counts: of all ordinary seats that are left, by area. Returns 1 if more seats are not to be had either: they could
-- be those of a table.
local function remember_sold_out(order, some, counts)
  local also = 1
  for _, area in ipairs(some) do
    if order.accessible == 0 then
      area.least = math.min(area.least, (counts[area] or 0) + 1)
      area_changed(area)
    end
    also = area.has_tables and 0 or also
  end
  return order.accessible == 0 and also or 0
end

-- nil: a split that may not be necessary after what others have changed.
local function hold_best(order, tickets)
  local some = read_areas(order.areas)
  if tickets + order.quantity > order.tickets_max then
    return {'limit_reached', tickets}
  end
  if order.kind == 'standing' then
    return hold_standing(order, some[1])
  end
  if are_sold_out(order, some) then
    return {'sold_out', 1}
  end
  local word, is_split, counts = choose(order, some)
  if word == 'later' then
    return {'later'}
  elseif word == 'no_accessible' then
    return {'no_accessible'}
  elseif word then
    return {'sold_out', remember_sold_out(order, some, counts)}
  end
  if is_split and meta.others_have_written then
    return nil
  end
  return held(order, write_chosen(), is_split and 1 or 0, '')
end

-- No answer is given from what is known of areas while others may have freed seats that it hides.
local function hold_best_anew(order, tickets)
  local answer = hold_best(order, tickets)
  if meta.others_have_written and (not answer or answer[1] == 'sold_out' or answer[1] == 'no_accessible') then
    give_back()
    begin_anew()
    return {'later'}
  end
  return answer
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
  return order.areas and hold_best_anew(order, tickets) or hold_exact(order, tickets)
end

local answers = answer_each({'answered'}, orders, hold, {'later'})
write_holds(known)
write_bounds(#known.new_holds > 0 and known.version)
return answers
