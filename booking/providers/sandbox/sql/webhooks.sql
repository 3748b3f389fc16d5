-- The sandbox's outgoing webhooks, and its controls.

-- name: tell!
INSERT INTO webhooks (subject, kind, due_at)
VALUES (:subject, :kind, now() + make_interval(secs => :tell_after))
ON CONFLICT (subject) DO NOTHING;

-- name: claim_webhooks
-- Leased for :lease_s seconds, so that the next sender takes over if this one dies. Several may send at once.
WITH due AS (
    SELECT subject FROM webhooks
    WHERE delivered_at IS NULL AND due_at <= now() AND attempts < :attempts_max
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE webhooks w
    SET due_at = now() + make_interval(secs => :lease_s), attempts = w.attempts + 1
    FROM due WHERE w.subject = due.subject
    RETURNING w.subject, w.kind, w.attempts
)
SELECT t.subject, t.kind, t.attempts, r.charge,
       coalesce(c.amount, r.amount) AS amount, coalesce(c.currency, r.currency) AS currency,
       coalesce(c.state, r.state) AS state, coalesce(c.reason, r.reason) AS reason
FROM taken t
LEFT JOIN charges c ON t.kind = 'payment' AND c.key = t.subject
LEFT JOIN refunds r ON t.kind = 'refund' AND r.key = t.subject;

-- name: mark_webhooks!
-- The outcome of a batch: delivered, or due again.
UPDATE webhooks w
SET delivered_at = CASE WHEN o.reason IS NULL THEN now() END,
    due_at = now() + make_interval(secs => o.retry_after), reason = o.reason
FROM unnest(:subjects::uuid[], :reasons::text[], :retry_after::float8[])
    AS o (subject, reason, retry_after)
WHERE w.subject = o.subject;

-- name: prune_webhooks!
DELETE FROM webhooks WHERE delivered_at < now() - make_interval(secs => :older_than_s);

-- name: get_changes$
SELECT changes::text FROM controls;

-- name: put_changes!
UPDATE controls SET changes = :changes::text::jsonb;
