-- Free the seats that orders still hold. An order without a hold changes nothing.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds
-- ARGV      order_id…
-- RETURNS   {'answered', answer…} | {'not_loaded'}
--           answer: {'released', version, seat_id…} | {'gone'} | {'later'}
-- INCLUDES  loaded, states, runs, places, segments, bounds, changes, endings, quiet, each
if not loaded() then
  return {'not_loaded'}
end

local freed = 0

local function release(order_id)
  local seats, user_id, tickets = end_hold(order_id)
  if not seats then
    return {'gone'}
  end
  fewer_tickets(user_id, tickets)
  change_runs(runs_of(seats), '.')
  freed = freed + 1
  return {'released', redis.call('HINCRBY', KEYS[2], 'version', 1), unpack(seats)}
end

local answers = answer_each({'answered'}, ARGV, release, {'later'})
write_bounds()
quietly(freed)
return answers
