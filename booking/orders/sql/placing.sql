-- Placing orders, the hot path: one statement, one commit, for as many orders as wait.

-- name: place_orders
-- Orders, claims, keys, tallies and outbox of a whole batch, or nothing of it. Claims come first and in
-- ascending order, so that two batches never wait for each other in a ring. A claim is taken over only when
-- it is held and past its end. What must not be raises its rule by refuse(), or by a named constraint, and
-- the coalescer then tries the members one by one.
-- An order's row has its items, and is what its history and its events are told from later (docs/adr/0077):
-- the row of the outbox only says that it was placed.
-- Controls of the sale are asked for after the claims: the lock that this takes is shared, and whoever waits for it
-- alone waits for us, so nothing may be waited for behind it (steered_cap, docs/adr/0070).
WITH terms AS (
    SELECT * FROM unnest(
        :term_sessions::uuid[], :titles::text[], :venues::text[], :starts::timestamptz[],
        :time_zones::text[], :currencies::text[], :opens::timestamptz[], :closes::timestamptz[],
        :caps::int[]
    ) AS t (session_id, title, venue, starts_at, time_zone, currency, opens_at, closes_at, cap)
), wanted AS (
    SELECT * FROM unnest(
        :orders::uuid[], :users::uuid[], :sessions::uuid[], :totals::bigint[], :items::jsonb[],
        :counts::int[], :keys::text[], :hashes::bytea[], :requests::text[], :traces::text[]
    ) AS w (order_id, user_id, session_id, total_amount, items, seats, key, body_hash, request_id, trace)
), claimed AS (
    INSERT INTO seat_claims AS claim (session_id, seat_id, order_id, state, expires_at)
    SELECT s.session_id, s.seat_id, s.order_id, 'held', now() + :ttl::interval
    FROM unnest(:seat_sessions::uuid[], :seats::int[], :seat_orders::uuid[])
        AS s (session_id, seat_id, order_id)
    ORDER BY s.session_id, s.seat_id
    ON CONFLICT (session_id, seat_id) DO UPDATE
        SET order_id = EXCLUDED.order_id, state = 'held', expires_at = EXCLUDED.expires_at
        WHERE claim.state = 'held' AND claim.expires_at < now()
    RETURNING claim.seat_id
), allowed AS MATERIALIZED (
    SELECT CASE
        WHEN EXISTS (SELECT FROM terms WHERE now() < opens_at) THEN refuse('orders_not_before_sale')
        WHEN EXISTS (SELECT FROM terms WHERE now() >= closes_at) THEN refuse('orders_not_after_sale')
        WHEN (SELECT count(*) FROM claimed) < cardinality(:seats::int[])
            THEN refuse('seat_claims_all_or_none')
        ELSE true END AS ok
), steered AS MATERIALIZED (
    SELECT t.session_id, coalesce(steered_cap(t.session_id, :heed_pause::boolean), t.cap) AS cap
    FROM terms t CROSS JOIN allowed WHERE allowed.ok
), placed AS (
    INSERT INTO orders (order_id, user_id, session_id, status, total_amount, currency, title, venue,
                        starts_at, time_zone, expires_at, request_id, items)
    SELECT w.order_id, w.user_id, w.session_id, 'pending_payment', w.total_amount, t.currency,
           t.title, t.venue, t.starts_at, t.time_zone, now() + :ttl::interval, w.request_id, w.items
    FROM wanted w JOIN terms t USING (session_id) CROSS JOIN allowed WHERE allowed.ok
    RETURNING order_id, order_no, created_at, expires_at
), keyed AS (
    INSERT INTO order_keys (user_id, key, order_id, body_hash)
    SELECT w.user_id, w.key, w.order_id, w.body_hash
    FROM wanted w CROSS JOIN allowed WHERE allowed.ok AND w.key IS NOT NULL
    ORDER BY w.user_id, w.key
), tallied AS (
    INSERT INTO user_tallies AS tally (session_id, user_id, tickets, cap, placed_at)
    SELECT w.session_id, w.user_id, sum(w.seats), max(s.cap), now()
    FROM wanted w JOIN steered s USING (session_id)
    GROUP BY w.session_id, w.user_id ORDER BY w.session_id, w.user_id
    ON CONFLICT (session_id, user_id) DO UPDATE
        SET tickets = tally.tickets + EXCLUDED.tickets, cap = EXCLUDED.cap,
            placed_at = EXCLUDED.placed_at
), announced AS (
    INSERT INTO outbox (event_id, type, subject, request_id, data, traceparent)
    SELECT w.order_id, :placed_type, w.order_id::text, w.request_id, '{}', w.trace
    FROM wanted w CROSS JOIN allowed WHERE allowed.ok
)
SELECT order_id, order_no, created_at, expires_at FROM placed;

-- name: true_claims
-- What is really so about these seats; for correcting Redis after it thought one of them free.
SELECT c.seat_id, c.state, c.order_id, o.user_id,
       (extract(epoch FROM c.expires_at - now()) * 1000)::bigint AS expires_in_ms
FROM seat_claims c LEFT JOIN orders o USING (order_id)
WHERE c.session_id = :session_id AND c.seat_id = ANY(:seats::int[]);
