-- The sandbox's own books: charges. What is not due yet is pending for whoever asks.

-- name: take_charges
-- Many at once, keys in ascending order so that two batches cannot wait for each other. The first call
-- with a key decides; later ones find its row. A row made by somebody else after this statement began
-- is neither made nor seen here: the caller asks for it.
WITH wanted AS (
    SELECT * FROM unnest(:keys::uuid[], :orders::text[], :amounts::bigint[], :currencies::text[],
                         :methods::text[], :states::text[], :reasons::text[],
                         :settle_after::float8[], :tell_after::float8[])
        AS w (key, reference, amount, currency, method, state, reason, settle_after, tell_after)
), made AS (
    INSERT INTO charges (key, reference, amount, currency, method, state, reason, settles_at)
    SELECT key, reference, amount, currency, method, state, reason,
           now() + make_interval(secs => settle_after)
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
SELECT c.key, c.amount, c.currency, c.state, c.reason, c.settles_at > now()
FROM charges c JOIN wanted USING (key);

-- name: get_charges
SELECT key, amount, currency, state, reason, settles_at > now() AS pending
FROM charges WHERE key = ANY (:keys::uuid[]);

-- name: lock_charge^
-- Refunds of one charge come one after the other, each seeing what the ones before took.
SELECT key FROM charges WHERE key = :key FOR UPDATE;
