-- The sandbox's refunds.

-- name: make_refund!
-- Under the charge's lock. A refund that exceeds the charge is stored as failed, so that its key stays used.
WITH charge AS (
    SELECT c.currency, c.amount - coalesce((SELECT sum(r.amount) FROM refunds r
        WHERE r.charge = c.key AND r.state = 'succeeded'), 0) AS remaining
    FROM charges c WHERE c.key = :charge AND c.state = 'succeeded' AND c.settles_at <= now()
), judged AS (
    SELECT CASE WHEN NOT EXISTS (SELECT FROM charge) THEN 'no_such_charge'
                WHEN (SELECT currency FROM charge) <> :currency THEN 'other_currency'
                WHEN (SELECT remaining FROM charge) < :amount THEN 'exceeds_charge'
                ELSE :refused_for::text END AS reason
)
INSERT INTO refunds (key, charge, amount, currency, state, reason, settles_at)
SELECT :key, :charge, :amount, :currency,
       CASE WHEN reason IS NULL THEN 'succeeded' ELSE 'failed' END, reason,
       now() + make_interval(secs => CASE WHEN reason IS NULL THEN :settle_after::float8 ELSE 0 END)
FROM judged
ON CONFLICT (key) DO NOTHING;

-- name: get_refund^
SELECT key, charge, amount, currency, state, reason, settles_at > clock_timestamp() AS pending
FROM refunds WHERE key = :key;

-- name: mark_refunded!
-- The time of a charge's first refund.
UPDATE charges SET refunded_at = coalesce(refunded_at, now()) WHERE key = :key;

-- name: list_refunds
-- A page of those made in a span of time, oldest first.
SELECT key, charge, amount, currency, state, reason, created_at, settles_at > clock_timestamp() AS pending
FROM refunds
WHERE created_at >= :since AND created_at < :until
  AND (:after_time::timestamptz IS NULL OR (created_at, key) > (:after_time, :after_key::uuid))
ORDER BY created_at, key LIMIT :limit;
