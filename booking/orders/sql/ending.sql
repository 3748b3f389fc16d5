-- Ends of orders: cancelled by the buyer, expired, completed.

-- name: lock_due_orders
-- Unpaid orders past their end. One whose payment is at the provider is left a little longer, so that
-- paying in the last second takes the seats; SKIP LOCKED leaves out what somebody works on. The array lets a plan
-- find an order's payments by its id alone, and not by reading an index of all of a state (docs/adr/0098).
SELECT o.order_id FROM orders o
WHERE o.status = 'pending_payment' AND o.expires_at <= now()
  AND (:only::uuid[] IS NULL OR o.order_id = ANY(:only))
  AND (o.expires_at <= now() - :payment_grace::interval
       OR NOT ARRAY(SELECT p.state FROM payments p WHERE p.order_id = o.order_id)
              && ARRAY['created', 'processing'])
ORDER BY o.expires_at LIMIT :limit FOR UPDATE OF o SKIP LOCKED;

-- name: lock_order$
-- Alone, before get_locked_order: a statement that waits for a row still sees all others as they were
-- when it began, so a payment that whoever we waited for has begun would be missed.
SELECT order_id FROM orders WHERE order_id = :order_id AND user_id = :user_id FOR UPDATE;

-- name: get_locked_order^
-- The order and its live payment, before a step that both of them decide.
SELECT o.order_id, o.status, o.session_id, o.total_amount, o.currency, o.cancel_reason,
       o.expires_at <= now() AS late,
       EXISTS (SELECT FROM payments p WHERE p.order_id = o.order_id
               AND p.state IN ('created', 'processing')) AS payment_under_way
FROM orders o WHERE o.order_id = :order_id;

-- name: cancel_orders
-- Compare-and-set. Frees only claims that still name the order, so that a buyer who took an expired
-- seat over keeps it; locks claims and tallies in ascending order as placing does. What the buyer let go
-- of, himself or by not paying, is counted in windows that begin with the first of it; a window with too
-- many keeps him from placing until it ends.
-- The orders are found by their key, as in payments/sql/batches.sql: a plan must not read all orders that wait, nor
-- all that there are, to merge them with the few that are named. They are locked and judged first.
WITH waiting AS MATERIALIZED (
    SELECT o.order_id FROM unnest(:orders::uuid[]) AS named (order_id)
    CROSS JOIN LATERAL (SELECT order_id, status = 'pending_payment' AS is_waiting
                        FROM orders WHERE order_id = named.order_id OFFSET 0 FOR UPDATE) AS o
    WHERE o.is_waiting
), cancelled AS (
    UPDATE orders o SET status = 'cancelled', cancelled_at = now(), cancel_reason = :reason
    FROM waiting
    WHERE o.order_id = waiting.order_id AND o.order_id = ANY (ARRAY(SELECT order_id FROM waiting))
    RETURNING o.order_id, o.order_no, o.user_id, o.session_id, o.title
), items AS MATERIALIZED (
    SELECT o.order_id, i.seat_id, i.area_id
    FROM cancelled o CROSS JOIN LATERAL (
        SELECT seat_id, area_id FROM placed_items WHERE order_id = o.order_id OFFSET 0) AS i
), own AS MATERIALIZED (
    SELECT c.session_id, c.seat_id, c.order_id
    FROM cancelled o JOIN items i USING (order_id)
    JOIN seat_claims c ON c.session_id = o.session_id AND c.seat_id = i.seat_id
    WHERE c.order_id = o.order_id AND c.state = 'held'
    ORDER BY c.session_id, c.seat_id FOR UPDATE OF c
), freed AS (
    DELETE FROM seat_claims c USING own
    WHERE c.session_id = own.session_id AND c.seat_id = own.seat_id
      AND c.order_id = own.order_id RETURNING c.seat_id
), given_back AS (
    SELECT o.session_id, o.user_id, count(*) AS tickets,
           count(DISTINCT o.order_id) FILTER (WHERE :reason IN ('user', 'unpaid')) AS orders
    FROM cancelled o JOIN items i USING (order_id)
    WHERE (SELECT count(*) FROM freed) >= 0
    GROUP BY o.session_id, o.user_id
), tallies AS MATERIALIZED (
    SELECT t.session_id, t.user_id, g.tickets,
           g.orders + CASE WHEN t.let_go_until > now() THEN t.let_go ELSE 0 END AS let_go,
           CASE WHEN t.let_go_until > now() THEN t.let_go_until
                ELSE now() + :churn_within::interval END AS let_go_until
    FROM user_tallies t JOIN given_back g USING (session_id, user_id)
    ORDER BY t.session_id, t.user_id FOR UPDATE OF t
), tallied AS (
    UPDATE user_tallies t SET tickets = t.tickets - g.tickets, placed_at = NULL,
           let_go = g.let_go, let_go_until = g.let_go_until,
           cools_until = CASE WHEN g.let_go >= :churn_max THEN g.let_go_until ELSE t.cools_until END
    FROM tallies g
    WHERE t.session_id = g.session_id AND t.user_id = g.user_id
)
SELECT o.order_id, o.order_no, o.user_id, o.session_id, o.title, array_agg(i.seat_id ORDER BY i.seat_id) AS seats,
       array_agg(i.area_id ORDER BY i.seat_id) AS areas
FROM cancelled o JOIN items i USING (order_id)
GROUP BY o.order_id, o.order_no, o.user_id, o.session_id, o.title
ORDER BY o.order_id;

-- name: complete_orders
-- Paid orders whose session began long enough ago. Not while a refund waits for its organizer.
WITH over AS (
    SELECT order_id FROM orders
    WHERE status = 'paid' AND starts_at <= now() - :after::interval
      AND NOT EXISTS (SELECT FROM refunds r
                      WHERE r.order_id = orders.order_id AND r.state = 'requested')
    ORDER BY starts_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE orders o SET status = 'completed' FROM over
WHERE o.order_id = over.order_id AND o.order_id = ANY (ARRAY(SELECT order_id FROM over))
RETURNING o.order_id, o.order_no, o.user_id, o.session_id;
