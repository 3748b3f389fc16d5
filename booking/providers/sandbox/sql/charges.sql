-- The sandbox's own books.

-- name: insert_charge!
-- The first call with a key decides; later ones find its row.
INSERT INTO charges (key, reference, amount, currency, state, reason)
VALUES (:key, :reference, :amount, :currency, :state, :reason)
ON CONFLICT (key) DO NOTHING;

-- name: get_charge^
SELECT key, amount, currency, state, reason, refunded_at IS NOT NULL AS refunded
FROM charges WHERE key = :key;

-- name: refund_charge^
-- Once: a second call finds it refunded and changes nothing.
UPDATE charges SET refunded_at = coalesce(refunded_at, now())
WHERE key = :key AND state = 'succeeded'
RETURNING key, amount, currency, state, reason, true AS refunded;
