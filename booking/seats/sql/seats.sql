-- Blocking of seats, and the queries that Redis is rebuilt from.

-- name: claims_in_the_way
-- Locks the taken ones of these seats. An expired claim does not count.
SELECT seat_id, state FROM seat_claims
WHERE session_id = :session_id AND seat_id = ANY(:seats::int[])
  AND NOT (state = 'held' AND expires_at < now())
ORDER BY seat_id FOR UPDATE;

-- name: block_seats
INSERT INTO seat_claims AS claim (session_id, seat_id, order_id, state, expires_at)
SELECT :session_id, seat_id, NULL, 'blocked', NULL FROM unnest(:seats::int[]) AS s (seat_id)
ORDER BY seat_id
ON CONFLICT (session_id, seat_id) DO UPDATE
    SET order_id = NULL, state = 'blocked', expires_at = NULL
    WHERE claim.state = 'held' AND claim.expires_at < now()
RETURNING seat_id;

-- name: unblock_seats
DELETE FROM seat_claims
WHERE session_id = :session_id AND seat_id = ANY(:seats::int[]) AND state = 'blocked'
RETURNING seat_id;

-- name: session_claims
SELECT c.seat_id, c.state, c.order_id, o.user_id,
       (extract(epoch FROM c.expires_at - now()) * 1000)::bigint AS expires_in_ms
FROM seat_claims c LEFT JOIN orders o USING (order_id)
WHERE c.session_id = :session_id ORDER BY c.seat_id;

-- name: session_tallies
SELECT user_id, tickets FROM user_tallies WHERE session_id = :session_id AND tickets > 0;

-- name: buyers
-- Whoever has ever ordered: a tally stays, with no tickets, when orders end.
SELECT user_id FROM user_tallies WHERE session_id = :session_id LIMIT :limit;

-- name: order_states
SELECT order_id, status, (extract(epoch FROM expires_at - now()) * 1000)::bigint AS expires_in_ms
FROM orders WHERE order_id = ANY(:orders::uuid[]);

-- name: sessions_with_holds
SELECT DISTINCT session_id FROM orders WHERE status = 'pending_payment';

-- name: sessions_with_claims
-- Also those that have sold or blocked seats only. For operators: it reads all claims.
SELECT DISTINCT session_id FROM seat_claims;

-- name: try_rebuild_lock$
SELECT pg_try_advisory_lock(7382, hashtext(:session_id::text));

-- name: rebuild_unlock$
SELECT pg_advisory_unlock(7382, hashtext(:session_id::text));

-- name: database_now$
SELECT now();
