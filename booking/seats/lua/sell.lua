-- Mark the seats that orders hold as sold, and end their holds.
-- KEYS      seats, meta, tallies, holds, repeats, expiry, scores, bounds
-- ARGV      order_id…
-- RETURNS   {'answered', answer…} | {'not_loaded'}
--           answer: {'sold', version, seat_id…} | {'gone'} | {'later'}
-- INCLUDES  loaded, states, runs, endings, quiet, each
if not loaded() then
  return {'not_loaded'}
end

local sold = 0

local function sell(order_id)
  local seats = end_hold(order_id)
  if not seats then
    return {'gone'}
  end
  write_runs(runs_of(seats), 's')
  sold = sold + 1
  return {'sold', redis.call('HINCRBY', KEYS[2], 'version', 1), unpack(seats)}
end

local answers = answer_each({'answered'}, ARGV, sell, {'later'})
quietly(sold)
return answers
