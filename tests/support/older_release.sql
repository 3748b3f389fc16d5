-- Statements of the last release that wrote an order's items, beginning and events as rows of their own
-- (docs/adr/0077): what a process of it still runs on the schema of this one.

-- name: place_orders
WITH terms AS (
    SELECT * FROM unnest(
        :term_sessions::uuid[], :titles::text[], :venues::text[], :starts::timestamptz[],
        :time_zones::text[], :currencies::text[], :opens::timestamptz[], :closes::timestamptz[],
        :caps::int[]
    ) AS t (session_id, title, venue, starts_at, time_zone, currency, opens_at, closes_at, cap)
), wanted AS (
    SELECT * FROM unnest(
        :orders::uuid[], :users::uuid[], :sessions::uuid[], :totals::bigint[], :keys::text[],
        :hashes::bytea[], :requests::text[], :counts::int[], :created_ids::uuid[],
        :created::text[], :held_ids::uuid[], :held::text[], :histories::text[], :traces::text[]
    ) AS w (order_id, user_id, session_id, total_amount, idempotency_key, body_hash, request_id,
            seats, created_id, created, held_id, held, history, trace)
), items AS (
    SELECT * FROM unnest(
        :item_orders::uuid[], :item_sessions::uuid[], :item_seats::int[], :item_areas::uuid[],
        :item_area_names::text[], :item_rows::text[], :item_numbers::int[], :item_prices::bigint[],
        :item_accessible::text[]
    ) AS i (order_id, session_id, seat_id, area_id, area, row, number, price, accessible)
), claimed AS (
    INSERT INTO seat_claims AS claim (session_id, seat_id, order_id, state, expires_at)
    SELECT items.session_id, items.seat_id, items.order_id, 'held', now() + :ttl::interval
    FROM items ORDER BY items.session_id, items.seat_id
    ON CONFLICT (session_id, seat_id) DO UPDATE
        SET order_id = EXCLUDED.order_id, state = 'held', expires_at = EXCLUDED.expires_at
        WHERE claim.state = 'held' AND claim.expires_at < now()
    RETURNING claim.seat_id
), allowed AS MATERIALIZED (
    SELECT CASE
        WHEN EXISTS (SELECT FROM terms WHERE now() < opens_at) THEN refuse('orders_not_before_sale')
        WHEN EXISTS (SELECT FROM terms WHERE now() >= closes_at) THEN refuse('orders_not_after_sale')
        WHEN (SELECT count(*) FROM claimed) < cardinality(:item_seats::int[])
            THEN refuse('seat_claims_all_or_none')
        ELSE true END AS ok
), steered AS MATERIALIZED (
    SELECT t.session_id, coalesce(steered_cap(t.session_id, :heed_pause::boolean), t.cap) AS cap
    FROM terms t CROSS JOIN allowed WHERE allowed.ok
), placed AS (
    INSERT INTO orders (order_id, user_id, session_id, status, total_amount, currency, title, venue,
                        starts_at, time_zone, idempotency_key, body_hash, expires_at)
    SELECT w.order_id, w.user_id, w.session_id, 'pending_payment', w.total_amount, t.currency,
           t.title, t.venue, t.starts_at, t.time_zone, w.idempotency_key, w.body_hash,
           now() + :ttl::interval
    FROM wanted w JOIN terms t USING (session_id) CROSS JOIN allowed WHERE allowed.ok
    RETURNING order_id, order_no, created_at, expires_at
), itemized AS (
    INSERT INTO order_items (order_id, seat_id, area_id, area, row, number, price, accessible)
    SELECT i.order_id, i.seat_id, i.area_id, i.area, i.row, i.number, i.price, i.accessible
    FROM items i CROSS JOIN allowed WHERE allowed.ok
), tallied AS (
    INSERT INTO user_tallies AS tally (session_id, user_id, tickets, cap, placed_at)
    SELECT w.session_id, w.user_id, sum(w.seats), max(s.cap), now()
    FROM wanted w JOIN steered s USING (session_id)
    GROUP BY w.session_id, w.user_id ORDER BY w.session_id, w.user_id
    ON CONFLICT (session_id, user_id) DO UPDATE
        SET tickets = tally.tickets + EXCLUDED.tickets, cap = EXCLUDED.cap,
            placed_at = EXCLUDED.placed_at
), remembered AS (
    INSERT INTO order_events (order_id, event_id, type, request_id, data)
    SELECT w.order_id, w.created_id, 'stampede.order.created.v1', w.request_id, w.history::jsonb
    FROM wanted w CROSS JOIN allowed WHERE allowed.ok
), announced AS (
    INSERT INTO outbox (event_id, type, subject, request_id, data, traceparent)
    SELECT told.event_id, told.type, w.order_id::text, w.request_id, told.data, w.trace
    FROM placed p JOIN wanted w USING (order_id) CROSS JOIN LATERAL (VALUES
        (w.created_id, 'stampede.order.created.v1', w.created::jsonb || jsonb_build_object(
            'order_no', p.order_no,
            'expires_at', to_char(p.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))),
        (w.held_id, 'stampede.seats.held.v1', w.held::jsonb)
    ) AS told (event_id, type, data)
)
SELECT order_id, order_no, created_at, expires_at FROM placed;

-- name: get_order_by_key^
SELECT o.*, (SELECT json_agg(i ORDER BY i.seat_id)::text FROM (
        SELECT seat_id, area_id, area, row, number, price, accessible IS NOT NULL AS accessible
        FROM order_items WHERE order_id = o.order_id) AS i) AS items,
    EXISTS (SELECT FROM order_items WHERE order_id = o.order_id AND accessible = 'last_left')
        AS only_accessible_left,
    r.code AS promo_code, r.discount
FROM orders_as_read o LEFT JOIN promo_redemptions r ON r.order_id = o.order_id
WHERE o.user_id = :user_id AND o.idempotency_key = :key;

-- name: list_order_events
SELECT position, event_id, type, time, request_id, data::text AS data
FROM order_events WHERE order_id = :order_id AND position > 0
ORDER BY position;

-- name: undelivered
SELECT event_id, type, subject, request_id, data::text AS data, created_at, traceparent
FROM outbox ORDER BY position;

-- name: paid_prices
SELECT coalesce(paid, price) AS paid FROM order_items WHERE order_id = :order_id ORDER BY seat_id;

-- name: list_tickets_for_refund
-- `price`: what it takes to have been paid for each, and so what goes back.
SELECT t.ticket_id, t.seat_id, t.user_id, t.status, i.area_id, i.area, i.row, i.number,
       coalesce(i.paid, i.price) AS price, r.refund_id, r.state AS refund_state
FROM tickets t
JOIN placed_items i ON i.order_id = t.order_id AND i.seat_id = t.seat_id
LEFT JOIN refund_items ri ON ri.order_id = t.order_id AND ri.seat_id = t.seat_id
    AND ri.effect <> 'dropped'
LEFT JOIN refunds r ON r.refund_id = ri.refund_id
WHERE t.order_id = :order_id ORDER BY t.seat_id, t.ticket_id;

-- name: audit_orders_add_up
SELECT o.order_id
FROM orders o LEFT JOIN placed_items i USING (order_id) LEFT JOIN promo_redemptions r USING (order_id)
GROUP BY o.order_id, o.total_amount, r.discount
HAVING count(i.seat_id) = 0
    OR sum(coalesce(i.paid, i.price)) IS DISTINCT FROM o.total_amount
    OR sum(i.price) - coalesce(r.discount, 0) IS DISTINCT FROM o.total_amount;
