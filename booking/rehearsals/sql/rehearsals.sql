-- Of a shadow's session only. Rows are locked in ascending order of their keys.

-- name: blocked_seats
SELECT seat_id FROM seat_claims WHERE session_id = :session_id AND state = 'blocked' ORDER BY seat_id;

-- name: block_shadow!
-- Before the session is in Redis: what is loaded there includes them.
INSERT INTO seat_claims (session_id, seat_id, order_id, state, expires_at)
SELECT :session_id, seat_id, NULL, 'blocked', NULL FROM unnest(:seats::int[]) AS s (seat_id)
ORDER BY seat_id;

-- name: is_selling$
-- Somebody has ordered of a session that is no rehearsal. By the primary key, since ids begin with their time: sorted,
-- or a plan for any time would look for the newest among all that there ever were.
SELECT EXISTS (
    SELECT FROM (SELECT session_id FROM orders WHERE order_id >= :since ORDER BY order_id) AS newest
    WHERE right(session_id::text, 12) <> :mark);

-- name: last_position$
-- An event of the rehearsal has a higher one, in the outbox and in the archive.
SELECT greatest(
    (SELECT coalesce(max(position), 0) FROM outbox),
    (SELECT coalesce(max(position), 0) FROM event_archive WHERE slot IN
        (archive_slot(now()), archive_slot(now() - interval '1 day'))));

-- name: sold_figures^
-- `twice`: seats in more than one order that is alive.
WITH mine AS MATERIALIZED (
    SELECT order_id, status FROM orders WHERE session_id = :session_id
)
SELECT (SELECT count(*) FROM mine) AS orders,
       (SELECT count(*) FROM mine WHERE status = 'paid') AS paid,
       (SELECT count(*) FROM seat_claims WHERE session_id = :session_id AND state = 'sold') AS sold,
       (SELECT count(*) FROM seat_claims WHERE session_id = :session_id AND state = 'held') AS held,
       (SELECT count(*) FROM (
            SELECT i.seat_id FROM mine JOIN placed_items i USING (order_id)
            WHERE mine.status IN ('pending_payment', 'paid', 'completed')
            GROUP BY i.seat_id HAVING count(*) > 1) AS doubled) AS twice;

-- name: waiting^
-- What is still under way: events that nobody has taken, and payments that the provider has not decided.
SELECT (SELECT count(*) FROM outbox e
        JOIN orders o ON o.order_id = CASE WHEN e.subject ~ '^[0-9a-f-]{36}$' THEN e.subject::uuid END
        WHERE o.session_id = :session_id) AS events,
       (SELECT count(*) FROM orders o JOIN payments p USING (order_id)
        WHERE o.session_id = :session_id AND p.state IN ('created', 'processing', 'refund_due'))
            AS payments;

-- name: some_orders
SELECT order_id FROM orders WHERE session_id = :session_id AND order_id > :after
ORDER BY order_id LIMIT :limit;

-- name: orders_of_some_people
-- All orders of the next people, so that no tally is ever wrong. Without a tally nobody has orders. Looked for in the
-- periods of the rehearsal, from a day before it, if clocks disagree (booking/migrations/0022).
SELECT t.user_id, o.order_id
FROM (SELECT user_id FROM user_tallies WHERE session_id = :session_id ORDER BY user_id LIMIT :limit) AS t
LEFT JOIN LATERAL (
    SELECT order_id FROM orders
    WHERE order_period(created_at) = ANY(ARRAY(
            SELECT period FROM order_periods() AS period
            WHERE period >= order_period(:since::timestamptz - interval '1 day')))
      AND uuid_hash(user_id) = uuid_hash(t.user_id) AND user_id = t.user_id AND session_id = :session_id
    OFFSET 0) AS o ON true
ORDER BY t.user_id, o.order_id;

-- name: payments_of
SELECT payment_id FROM payments WHERE order_id = ANY(:orders::uuid[]) ORDER BY payment_id;

-- name: events_of
SELECT event_id, type FROM outbox WHERE subject = ANY(:subjects::text[])
UNION
SELECT event_id, type FROM event_archive
WHERE slot = ANY(:slots::smallint[]) AND position > :after AND subject = ANY(:subjects::text[]);

-- name: slots
-- The days of the archive since then, this one included.
SELECT DISTINCT archive_slot(day) AS slot
FROM generate_series(greatest(:since::timestamptz, now() - interval '31 days'),
                     now() + interval '1 day', interval '1 day') AS days (day);

-- name: delete_waiting_events!
DELETE FROM outbox WHERE subject = ANY(:subjects::text[]);

-- name: delete_archived_events!
DELETE FROM event_archive
WHERE slot = ANY(:slots::smallint[]) AND position > :after AND subject = ANY(:subjects::text[]);

-- name: delete_claims!
DELETE FROM seat_claims WHERE session_id = :session_id AND order_id = ANY(:orders::uuid[]);

-- name: delete_refund_items!
DELETE FROM refund_items WHERE refund_id IN
    (SELECT refund_id FROM refunds WHERE order_id = ANY(:orders::uuid[]));

-- name: delete_refunds!
DELETE FROM refunds WHERE order_id = ANY(:orders::uuid[]);

-- name: delete_tickets!
DELETE FROM tickets WHERE order_id = ANY(:orders::uuid[]);

-- name: delete_provider_events!
DELETE FROM provider_events WHERE payment_id = ANY(:payments::uuid[]);

-- name: delete_payments!
DELETE FROM payments WHERE order_id = ANY(:orders::uuid[]);

-- name: delete_history!
DELETE FROM order_events WHERE order_id = ANY(:orders::uuid[]);

-- name: delete_items!
DELETE FROM order_items WHERE order_id = ANY(:orders::uuid[]);

-- name: delete_keys!
DELETE FROM order_keys WHERE user_id = ANY(:people::uuid[]) AND order_id = ANY(:orders::uuid[]);

-- name: delete_orders!
DELETE FROM orders WHERE session_id = :session_id AND order_id = ANY(:orders::uuid[]);

-- name: delete_tallies!
DELETE FROM user_tallies WHERE session_id = :session_id AND user_id = ANY(:people::uuid[]);

-- name: delete_blocks!
DELETE FROM seat_claims WHERE session_id = :session_id;

-- name: try_lock$
-- One rehearsal at a time: held by its connection, so a killed process lets go.
SELECT pg_try_advisory_lock(7384, 0);
