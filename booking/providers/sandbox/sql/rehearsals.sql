-- A rehearsal's charges: measured, and removed before the payments that they were for.

-- name: callback_delays
-- Seconds from when a late charge was decided to when that was heard.
SELECT extract(epoch FROM w.delivered_at - c.settles_at)::float8 AS delay_s
FROM webhooks w JOIN charges c ON c.key = w.subject
WHERE w.subject = ANY(:payments::uuid[]) AND w.delivered_at IS NOT NULL AND c.settles_at > c.created_at;

-- name: untold$
SELECT count(*) FROM webhooks WHERE subject = ANY(:payments::uuid[]) AND delivered_at IS NULL;

-- name: delete_webhooks!
DELETE FROM webhooks WHERE subject = ANY(:payments::uuid[])
    OR subject IN (SELECT key FROM refunds WHERE charge = ANY(:payments::uuid[]));

-- name: delete_refunds!
DELETE FROM refunds WHERE charge = ANY(:payments::uuid[]);

-- name: delete_charges!
DELETE FROM charges WHERE key = ANY(:payments::uuid[]);
