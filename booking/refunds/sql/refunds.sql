-- Refunds. Locks are taken in the order orders, refunds, tickets, claims (ascending), tallies: every
-- step of a refund begins with its order's row, so of two at once one finds what the other has done.

-- name: lock_any_order$
SELECT order_id FROM orders WHERE order_id = :order_id FOR UPDATE;

-- name: get_order_for_refund^
-- The order with the payment that bought it, and whether its session has been cancelled since.
SELECT o.order_id, o.order_no, o.user_id, o.session_id, o.status, o.total_amount, o.currency, o.title,
       o.venue, o.starts_at, o.time_zone, p.payment_id,
       extract(epoch FROM o.starts_at - now())::float8 AS starts_in_s,
       EXISTS (SELECT FROM session_cancellations c WHERE c.session_id = o.session_id) AS session_cancelled
FROM orders o LEFT JOIN payments p ON p.order_id = o.order_id AND p.state = 'succeeded'
WHERE o.order_id = :order_id;

-- name: list_tickets_for_refund
-- Every ticket of the order, void ones too, with the refund that its seat is in.
SELECT t.ticket_id, t.seat_id, t.user_id, t.status, i.area_id, i.area, i.row, i.number,
       coalesce(i.paid, i.price) AS price, i.kept, r.refund_id, r.state AS refund_state
FROM tickets t
JOIN placed_items i ON i.order_id = t.order_id AND i.seat_id = t.seat_id
LEFT JOIN refund_items ri ON ri.order_id = t.order_id AND ri.seat_id = t.seat_id
    AND ri.effect <> 'dropped'
LEFT JOIN refunds r ON r.refund_id = ri.refund_id
WHERE t.order_id = :order_id ORDER BY t.seat_id, t.ticket_id;

-- name: insert_refund!
-- The refund and its seats. refund_items_one_refund_per_seat refuses a seat that is in another.
WITH asked AS (
    INSERT INTO refunds (refund_id, order_id, payment_id, user_id, session_id, organizer_id, cause,
                         reason, price, fee, amount, currency, state, provider_key, request_id)
    VALUES (:refund_id, :order_id, :payment_id, :user_id, :session_id, :organizer_id, :cause,
            :reason, :price, :fee, :amount, :currency, 'requested', :refund_id, :request_id)
    RETURNING refund_id
)
INSERT INTO refund_items (refund_id, order_id, seat_id, ticket_id, price)
SELECT asked.refund_id, :order_id, i.seat_id, i.ticket_id, i.price
FROM asked CROSS JOIN unnest(:seats::int[], :tickets::uuid[], :prices::bigint[])
    AS i (seat_id, ticket_id, price);

-- name: get_refund^
SELECT r.refund_id, r.order_id, r.payment_id, r.user_id, r.session_id, r.organizer_id, r.cause, r.reason, r.note,
       r.price, r.fee, r.amount, r.currency, r.state, r.failure, r.attempts, r.created_at, r.decided_at, r.settled_at,
       o.order_no, o.title, o.venue, o.starts_at, o.time_zone,
       (SELECT json_agg(i ORDER BY i.seat_id)::text FROM (
            SELECT ri.ticket_id, ri.seat_id, i.area_id, i.area, i.row, i.number, ri.price, i.category_name
            FROM refund_items ri JOIN placed_items i USING (order_id, seat_id)
            WHERE ri.refund_id = r.refund_id) AS i) AS items
FROM refunds r JOIN orders o USING (order_id) WHERE r.refund_id = :refund_id;

-- name: list_refunds_of_order
SELECT r.refund_id, r.order_id, r.payment_id, r.user_id, r.session_id, r.organizer_id, r.cause, r.reason, r.note,
       r.price, r.fee, r.amount, r.currency, r.state, r.failure, r.attempts, r.created_at, r.decided_at, r.settled_at,
       o.order_no, o.title, o.venue, o.starts_at, o.time_zone,
       (SELECT json_agg(i ORDER BY i.seat_id)::text FROM (
            SELECT ri.ticket_id, ri.seat_id, i.area_id, i.area, i.row, i.number, ri.price, i.category_name
            FROM refund_items ri JOIN placed_items i USING (order_id, seat_id)
            WHERE ri.refund_id = r.refund_id) AS i) AS items
FROM refunds r JOIN orders o USING (order_id) WHERE r.order_id = :order_id
ORDER BY r.created_at, r.refund_id;

-- name: list_refunds
-- An organizer's, or with NULL everybody's; the oldest first, since they wait for an answer.
SELECT r.refund_id, r.order_id, r.payment_id, r.user_id, r.session_id, r.organizer_id, r.cause, r.reason, r.note,
       r.price, r.fee, r.amount, r.currency, r.state, r.failure, r.attempts, r.created_at, r.decided_at, r.settled_at,
       o.order_no, o.title, o.venue, o.starts_at, o.time_zone,
       (SELECT json_agg(i ORDER BY i.seat_id)::text FROM (
            SELECT ri.ticket_id, ri.seat_id, i.area_id, i.area, i.row, i.number, ri.price, i.category_name
            FROM refund_items ri JOIN placed_items i USING (order_id, seat_id)
            WHERE ri.refund_id = r.refund_id) AS i) AS items
FROM refunds r JOIN orders o USING (order_id)
WHERE (:organizer_id::uuid IS NULL OR r.organizer_id = :organizer_id)
  AND (:state::text IS NULL OR r.state = :state)
ORDER BY r.created_at, r.refund_id LIMIT :limit OFFSET :offset;

-- name: count_refunds$
SELECT count(*) FROM refunds
WHERE (:organizer_id::uuid IS NULL OR organizer_id = :organizer_id)
  AND (:state::text IS NULL OR state = :state);

-- name: find_refund_by_key$
SELECT refund_id FROM refunds WHERE provider_key = :provider_key;

-- name: waive_fee!
-- A session that is not played keeps no fee, also not of who had asked before; why he had, the history
-- still tells.
UPDATE refunds SET fee = 0, amount = price, cause = 'session_cancelled', reason = :reason,
                   updated_at = now()
WHERE refund_id = :refund_id AND state = 'requested';

-- name: approve_refund$
-- Compare-and-set. From here the money is owed and the worker's to send.
WITH approved AS (
    UPDATE refunds SET state = 'approved', decided_at = now(), decided_by = :decided_by, note = :note,
                       next_attempt = now(), updated_at = now()
    WHERE refund_id = :refund_id AND state = 'requested' RETURNING refund_id
)
UPDATE refund_items i SET effect = 'freed' FROM approved
WHERE i.refund_id = approved.refund_id RETURNING i.refund_id;

-- name: reject_refund$
WITH rejected AS (
    UPDATE refunds SET state = 'rejected', decided_at = now(), decided_by = :decided_by, note = :note,
                       updated_at = now()
    WHERE refund_id = :refund_id AND state = 'requested' RETURNING refund_id
)
UPDATE refund_items i SET effect = 'dropped' FROM rejected
WHERE i.refund_id = rejected.refund_id RETURNING i.refund_id;

-- name: void_tickets$
-- How many were still in one of these states: whoever has been let in, or has sold on, is not counted.
WITH voided AS (
    UPDATE tickets SET status = 'void', void_reason = 'refunded'
    WHERE order_id = :order_id
      AND (ticket_id = ANY(:tickets::uuid[]) OR seat_id = ANY(:seats::int[]))
      AND status = ANY(:from_states::text[])
    RETURNING ticket_id
)
SELECT count(*) FROM voided;

-- name: free_sold_claims$
-- The order id is the fence, as everywhere. How many there were.
WITH own AS MATERIALIZED (
    SELECT session_id, seat_id FROM seat_claims
    WHERE session_id = :session_id AND seat_id = ANY(:seats::int[])
      AND order_id = :order_id AND state = 'sold'
    ORDER BY seat_id FOR UPDATE
), freed AS (
    DELETE FROM seat_claims c USING own
    WHERE c.session_id = own.session_id AND c.seat_id = own.seat_id AND c.order_id = :order_id
    RETURNING c.seat_id
)
SELECT count(*) FROM freed;

-- name: give_tally_back!
UPDATE user_tallies SET tickets = tickets - :tickets
WHERE session_id = :session_id AND user_id = :user_id;

-- name: mark_refunded$
-- When nothing of the order is left; NULL while something is.
WITH locked AS MATERIALIZED (
    SELECT it.order_id
    FROM (SELECT order_id, status = 'paid' AS is_paid FROM orders
          WHERE order_id = :order_id OFFSET 0 FOR UPDATE) AS it
    WHERE it.is_paid AND (SELECT count(*) FROM items_in_force i WHERE i.order_id = it.order_id) = 0
)
UPDATE orders o SET status = 'refunded' FROM locked
WHERE o.order_id = locked.order_id AND o.order_id = :order_id
RETURNING o.order_id;

-- name: refunded_amount$
SELECT coalesce(sum(amount), 0)::bigint FROM refunds
WHERE order_id = :order_id AND state NOT IN ('requested', 'rejected');

-- name: claim_due_refunds
-- What is to be sent to the provider now, or asked after again. Whoever takes it has the lease's time;
-- should it die, the next one takes it then, under the same key.
UPDATE refunds r
SET state = 'processing', attempts = r.attempts + 1, next_attempt = now() + :lease::interval,
    updated_at = now()
FROM (SELECT refund_id FROM refunds
      WHERE state IN ('approved', 'processing') AND next_attempt <= now()
      ORDER BY next_attempt LIMIT :limit FOR UPDATE SKIP LOCKED) AS due
WHERE r.refund_id = due.refund_id
RETURNING r.refund_id, r.order_id, r.payment_id, r.provider_key, r.amount, r.currency, r.attempts,
          r.request_id;

-- name: postpone_refund!
UPDATE refunds SET next_attempt = now() + :delay::interval, failure = :failure, updated_at = now()
WHERE refund_id = :refund_id AND state = 'processing';

-- name: settle_refund$
-- Compare-and-set, from processing to succeeded or failed.
UPDATE refunds
SET state = :to_state, failure = :failure, next_attempt = NULL, updated_at = now(),
    settled_at = CASE WHEN :to_state = 'succeeded' THEN now() END
WHERE refund_id = :refund_id AND state = :from_state RETURNING refund_id;

-- name: retry_refund$
UPDATE refunds
SET state = 'approved', provider_key = :provider_key, next_attempt = now(), attempts = 0,
    failure = NULL, updated_at = now()
WHERE refund_id = :refund_id AND state = 'failed' RETURNING refund_id;
