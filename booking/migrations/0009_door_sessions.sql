-- What is on: whose door is open now, and which sessions come next (docs/adr/0031).

-- The sessions that have sold, by their start, each found by one step over the index however many
-- orders it has. It also serves what `orders_to_complete` was for: paid orders by their start.
CREATE INDEX orders_paid_by_start ON orders (starts_at, session_id) WHERE status = 'paid';
DROP INDEX orders_to_complete;

-- The doors that one person stands at.
CREATE INDEX door_staff_of_user ON door_staff (user_id, session_id);
