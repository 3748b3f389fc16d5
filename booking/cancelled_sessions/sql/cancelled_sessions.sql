-- Cancelled sessions: closed in one statement, refunded in batches.

-- name: begin_cancellation$
-- NULL if the session was cancelled before.
INSERT INTO session_cancellations (session_id, organizer_id, requested_by, reason, request_id)
VALUES (:session_id, :organizer_id, :requested_by, :reason, :request_id)
ON CONFLICT (session_id) DO NOTHING RETURNING session_id;

-- name: close_seats$
-- Blocks every seat that is not sold. No seat can be held afterwards, and no held seat can be sold, because
-- its claim no longer names the order. Conflicting rows are locked even if they stay unchanged, so a
-- transaction that frees one waits for this one and then sees the cancellation.
WITH closed AS (
    INSERT INTO seat_claims AS claim (session_id, seat_id, order_id, state, expires_at)
    SELECT :session_id, seat_id, NULL, 'blocked', NULL FROM unnest(:seats::int[]) AS s (seat_id)
    ORDER BY seat_id
    ON CONFLICT (session_id, seat_id) DO UPDATE
        SET order_id = NULL, state = 'blocked', expires_at = NULL WHERE claim.state = 'held'
    RETURNING claim.seat_id
)
SELECT count(*) FROM closed;

-- name: lock_pending_orders_of_session
-- Uses the index of unpaid orders; there are never many.
SELECT order_id FROM orders
WHERE status = 'pending_payment' AND session_id = :session_id
ORDER BY order_id FOR UPDATE;

-- name: is_session_over$
SELECT :starts_at::timestamptz < now() - :after::interval;

-- name: open_cancellations
SELECT session_id, organizer_id, reason, request_id, catalog_told FROM session_cancellations
WHERE finished_at IS NULL ORDER BY created_at LIMIT :limit;

-- name: get_cancellation^
-- The progress. Orders are counted by claims and refunds, which have an index on the session.
SELECT c.session_id, c.organizer_id, c.reason, c.created_at, c.finished_at,
       (SELECT count(*) FROM orders o WHERE o.session_id = c.session_id
        AND o.cancel_reason = 'session_cancelled') AS orders_cancelled,
       waiting.orders AS orders_waiting, r.refunded, r.processing, r.failed, r.amount_refunded,
       r.amount_total, r.currency
FROM session_cancellations c
CROSS JOIN LATERAL (
    SELECT count(DISTINCT k.order_id) AS orders FROM seat_claims k
    WHERE k.session_id = c.session_id AND k.state <> 'blocked') AS waiting
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE one.left_over = 0 AND one.failed = 0) AS refunded,
           count(*) FILTER (WHERE one.left_over > 0 AND one.failed = 0) AS processing,
           count(*) FILTER (WHERE one.failed > 0) AS failed,
           coalesce(sum(one.sent), 0)::bigint AS amount_refunded,
           coalesce(sum(one.owed), 0)::bigint AS amount_total, max(one.currency) AS currency
    FROM (SELECT order_id, max(currency) AS currency,
                 count(*) FILTER (WHERE state IN ('approved', 'processing')) AS left_over,
                 count(*) FILTER (WHERE state = 'failed') AS failed,
                 sum(amount) FILTER (WHERE state = 'succeeded') AS sent,
                 sum(amount) AS owed
          FROM refunds WHERE session_id = c.session_id AND cause = 'session_cancelled'
            AND state NOT IN ('requested', 'rejected')
          GROUP BY order_id) AS one) AS r
WHERE c.session_id = :session_id;

-- name: orders_to_refund
-- The next orders after `after` that have sold seats, by the primary key of claims.
SELECT DISTINCT order_id FROM seat_claims
WHERE session_id = :session_id AND state = 'sold' AND order_id > :after
ORDER BY order_id LIMIT :limit;

-- name: mark_catalog_told!
UPDATE session_cancellations SET catalog_told = now() WHERE session_id = :session_id;

-- name: finish_cancellation$
-- Only if no work is left. The seats are closed, so no new work can appear.
UPDATE session_cancellations c SET finished_at = now()
WHERE c.session_id = :session_id AND c.finished_at IS NULL AND c.catalog_told IS NOT NULL
  AND NOT EXISTS (SELECT FROM seat_claims k WHERE k.session_id = c.session_id AND k.state <> 'blocked')
  AND 'pending_payment' <> ALL (ARRAY(SELECT o.status FROM orders o WHERE o.session_id = c.session_id))
RETURNING c.session_id;
