-- The sandbox's charges. A charge that is not due yet is pending, by the clock: `now()` may be older than what the
-- statement sees.

-- name: take_charges
-- Many at once, with keys in ascending order so that two batches cannot deadlock. The first call with a key
-- decides; later calls find its row. A row that another transaction inserts after this statement began is
-- neither inserted nor visible here: the caller reads it afterwards.
WITH wanted AS (
    SELECT * FROM unnest(:keys::uuid[], :orders::text[], :amounts::bigint[], :currencies::text[],
                         :methods::text[], :states::text[], :reasons::text[],
                         :settle_after::float8[], :tell_after::float8[], :metadata::text[])
        AS w (key, reference, amount, currency, method, state, reason, settle_after, tell_after,
              metadata)
), made AS (
    INSERT INTO charges (key, reference, amount, currency, method, state, reason, settles_at,
                         metadata)
    SELECT key, reference, amount, currency, method, state, reason,
           now() + make_interval(secs => settle_after), metadata::jsonb
    FROM wanted
    ON CONFLICT (key) DO NOTHING
    RETURNING key, amount, currency, state, reason, settles_at
), told AS (
    INSERT INTO webhooks (subject, kind, due_at)
    SELECT w.key, 'payment', now() + make_interval(secs => w.tell_after)
    FROM wanted w JOIN made USING (key) WHERE w.tell_after IS NOT NULL
    ON CONFLICT (subject) DO NOTHING
)
SELECT key, amount, currency, state, reason, settles_at > now() AS pending FROM made
UNION ALL
SELECT c.key, c.amount, c.currency, c.state, c.reason, c.settles_at > clock_timestamp()
FROM charges c JOIN wanted USING (key);

-- name: get_charges
SELECT key, amount, currency, state, reason, settles_at > clock_timestamp() AS pending
FROM charges WHERE key = ANY (:keys::uuid[]);

-- name: lock_charge^
-- Refunds of one charge run one after the other, so that each sees the previous ones.
SELECT key FROM charges WHERE key = :key FOR UPDATE;

-- name: list_charges
-- A page of those made in a span of time, oldest first; the caller asks on behind the last one.
SELECT c.key, c.reference, c.amount, c.currency, c.method, c.state, c.reason, c.created_at,
       c.settles_at > clock_timestamp() AS pending, c.metadata::text AS metadata,
       coalesce((SELECT sum(r.amount) FROM refunds r
                 WHERE r.charge = c.key AND r.state = 'succeeded'), 0)::bigint AS refunded
FROM charges c
WHERE c.created_at >= :since AND c.created_at < :until
  AND (:after_time::timestamptz IS NULL OR (c.created_at, c.key) > (:after_time, :after_key::uuid))
ORDER BY c.created_at, c.key LIMIT :limit;
