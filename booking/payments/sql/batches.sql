-- From an intent to a paid order: as many orders a statement as wait. Each statement does the plain
-- thing for those where nothing stands in its way and returns them; the others are left as they are,
-- and the caller takes them one by one (payments.sql), where every case is decided under locks.
--
-- Rows are found by their primary keys in a LATERAL with OFFSET 0, and what else must be true of them is asked outside
-- (docs/adr/0083). A connection's plan is made once, perhaps when no order waits for money: with the status inside,
-- it would read an index of all orders that wait, for each order, however many there are by then. Rows are locked
-- before that is asked, so it is true of what they are now. It is asked as one word, of which the planner expects
-- that half are true: of several conditions it expects one row, and joins large batches row by row.
-- Claims have no other index, and only our own are locked. SKIP LOCKED: an order that somebody works on holds up no
-- batch.
-- Locks are taken in the order orders, payments, claims (ascending), tallies, as everywhere.

-- name: begin_payments
-- The intents of orders that may be paid. ON CONFLICT: another payment of the order is live, perhaps one
-- of this very batch, or the key was used before.
WITH wanted AS (
    SELECT * FROM unnest(
        :payments::uuid[], :orders::uuid[], :users::uuid[], :methods::text[], :keys::text[],
        :hashes::bytea[], :requests::text[], :history_ids::uuid[], :histories::text[]
    ) AS w (payment_id, order_id, user_id, method, key, body_hash, request_id, history_id, history)
), payable AS MATERIALIZED (
    SELECT w.payment_id, w.method, w.key, w.body_hash, w.request_id, w.history_id, w.history, o.*
    FROM wanted w CROSS JOIN LATERAL (
        SELECT order_id, order_no, user_id, session_id, title, venue, starts_at, time_zone,
               total_amount, currency,
               user_id = w.user_id AND status = 'pending_payment' AND expires_at > now() AS is_payable
        FROM orders WHERE order_id = w.order_id
        OFFSET 0 FOR UPDATE SKIP LOCKED) AS o
    WHERE o.is_payable
), begun AS (
    INSERT INTO payments (payment_id, order_id, user_id, provider, method, amount, currency, state,
                          idempotency_key, body_hash, request_id)
    SELECT payment_id, order_id, user_id, :provider, method, total_amount, currency, 'created',
           key, body_hash, request_id
    FROM payable
    ON CONFLICT DO NOTHING RETURNING payment_id
), remembered AS (
    INSERT INTO order_events (order_id, event_id, type, request_id, data)
    SELECT p.order_id, p.history_id, 'stampede.payment.started.v1', p.request_id, p.history::jsonb
    FROM payable p JOIN begun USING (payment_id)
)
SELECT p.payment_id, p.order_id, p.order_no, p.user_id, p.session_id, p.title, p.venue, p.starts_at,
       p.time_zone, p.total_amount, p.currency,
       (SELECT items::text FROM order_documents WHERE order_id = p.order_id) AS items
FROM payable p JOIN begun USING (payment_id);

-- name: sell_orders
-- Orders whose money has come, whose payment was waited for and whose every seat is still their own:
-- claims, order, payment, tickets, history, outbox, and the provider's event where one brought the news.
WITH wanted AS (
    SELECT * FROM unnest(
        :payments::uuid[], :orders::uuid[], :counts::int[], :providers::text[], :taken_ids::text[],
        :taken_types::text[], :requests::text[], :sold_ids::uuid[], :sold::text[], :histories::text[],
        :traces::text[]
    ) AS w (payment_id, order_id, seats, provider, taken_id, taken_type, request_id, sold_id, sold,
            history, trace)
), items AS (
    SELECT * FROM unnest(:item_orders::uuid[], :item_seats::int[], :ticket_ids::uuid[], :codes::text[])
        AS i (order_id, seat_id, ticket_id, code)
), locked AS MATERIALIZED (
    SELECT w.payment_id, w.order_id, w.seats, it.session_id, it.user_id
    FROM wanted w CROSS JOIN LATERAL (
        SELECT o.session_id, o.user_id, p.order_id = w.order_id
               AND o.status = 'pending_payment' AND p.state IN ('created', 'processing') AS is_plain
        FROM orders o, payments p
        WHERE o.order_id = w.order_id AND p.payment_id = w.payment_id
        OFFSET 0 FOR UPDATE OF o, p SKIP LOCKED) AS it
    WHERE it.is_plain
      AND NOT EXISTS (SELECT FROM provider_events t
                      WHERE t.payment_id = w.payment_id AND t.provider = w.provider
                        AND t.event_id = w.taken_id OFFSET 0)
), own AS MATERIALIZED (
    SELECT i.session_id, i.seat_id, i.order_id
    FROM (SELECT locked.session_id, items.seat_id, items.order_id FROM items JOIN locked USING (order_id)
          ORDER BY locked.session_id, items.seat_id) AS i
    CROSS JOIN LATERAL (
        SELECT FROM seat_claims c
        WHERE c.session_id = i.session_id AND c.seat_id = i.seat_id
          AND c.order_id = i.order_id AND c.state = 'held'
        FOR UPDATE) AS claim
), whole AS MATERIALIZED (
    SELECT w.*, l.session_id, l.user_id FROM wanted w JOIN locked l USING (payment_id)
    JOIN (SELECT order_id, count(*) AS seats FROM own GROUP BY order_id) AS mine
        ON mine.order_id = w.order_id AND mine.seats = l.seats
), sold AS (
    UPDATE seat_claims c SET state = 'sold', expires_at = NULL
    FROM own JOIN whole USING (order_id)
    WHERE c.session_id = own.session_id AND c.seat_id = own.seat_id AND c.order_id = own.order_id
), paid AS (
    UPDATE orders o SET status = 'paid', paid_at = now() FROM whole WHERE o.order_id = whole.order_id
), succeeded AS (
    UPDATE payments p SET state = 'succeeded', reason = NULL, updated_at = now()
    FROM whole WHERE p.payment_id = whole.payment_id
), ticketed AS (
    INSERT INTO tickets (ticket_id, order_id, session_id, seat_id, user_id, code)
    SELECT i.ticket_id, i.order_id, w.session_id, i.seat_id, w.user_id, i.code
    FROM items i JOIN whole w USING (order_id)
), remembered AS (
    INSERT INTO order_events (order_id, event_id, type, request_id, data)
    SELECT order_id, sold_id, 'stampede.order.paid.v1', request_id, history::jsonb FROM whole
), announced AS (
    INSERT INTO outbox (event_id, type, subject, request_id, data, traceparent)
    SELECT sold_id, :sold_type, order_id::text, request_id, sold::jsonb, trace FROM whole
), taken AS (
    INSERT INTO provider_events (provider, event_id, type, payment_id)
    SELECT provider, taken_id, taken_type, payment_id FROM whole WHERE taken_id IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT payment_id FROM whole;

-- name: look_up_events
-- What is known of the payments that providers' events tell of, without a lock: whether the event has
-- been taken, how its payment stands, and what a plain sale of its order needs.
SELECT n.place, t.event_id IS NOT NULL AS taken, p.*
FROM unnest(:providers::text[], :event_ids::text[], :payments::uuid[])
     WITH ORDINALITY AS n (provider, event_id, payment_id, place)
LEFT JOIN LATERAL (
    SELECT t.event_id FROM provider_events t
    WHERE t.payment_id = n.payment_id AND t.provider = n.provider AND t.event_id = n.event_id
    OFFSET 0) AS t ON true
LEFT JOIN LATERAL (
    SELECT p.payment_id, p.state, p.reason, p.amount, o.order_id, o.order_no, o.user_id, o.session_id,
           o.title, o.venue, o.starts_at, o.time_zone, o.total_amount, p.currency,
           (SELECT items::text FROM order_documents WHERE order_id = o.order_id) AS items
    FROM payments p, orders o
    WHERE p.payment_id = n.payment_id AND o.order_id = p.order_id AND t.event_id IS NULL
    OFFSET 0) AS p ON true
ORDER BY n.place;

-- name: record_events
-- Events that change nothing: their payments stand where no word of this kind moves them any more.
INSERT INTO provider_events (provider, event_id, type, payment_id)
SELECT * FROM unnest(:providers::text[], :event_ids::text[], :types::text[], :payments::uuid[])
ON CONFLICT DO NOTHING RETURNING event_id;
