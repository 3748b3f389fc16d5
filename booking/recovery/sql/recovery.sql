-- What PostgreSQL knows of what survived elsewhere, and what was decided about what it had lost.

-- name: try_reconcile_lock$
-- Advisory locks belong to a database, so the key contains the schema.
SELECT pg_try_advisory_lock(hashtextextended('reconcile of ' || current_schema(), 7385));

-- name: known_charges
-- One row for each, in any order. The order: the payment's, or the one that the charge names.
SELECT n.payment_id, p.state, p.amount AS paid_amount, p.currency AS paid_currency, o.order_id, o.order_no,
       o.user_id, o.session_id, o.title, o.starts_at, r.payment_id IS NOT NULL AS decided, r.refund_key,
       r.refunded_at
FROM unnest(:payments::uuid[], :orders::uuid[]) AS n (payment_id, order_id)
LEFT JOIN payments p ON p.payment_id = n.payment_id
LEFT JOIN orders o ON o.order_id = coalesce(p.order_id, n.order_id)
LEFT JOIN recovered_charges r ON r.payment_id = n.payment_id;

-- name: seats_in_the_way$
-- How many of these seats an order could not take now. A look without a lock, for saying what would be done.
SELECT count(*) FROM seat_claims
WHERE session_id = :session_id AND seat_id = ANY(:seats::int[])
  AND NOT (state = 'held' AND expires_at < now());

-- name: decide_charge$
-- The decision about a charge, once; NULL if it was decided before, or has a payment by now (which is there
-- before its charge is made, unless it was lost).
INSERT INTO recovered_charges (payment_id, order_id, order_no, user_id, session_id, title, provider, amount,
                               currency, reason, refund_key)
SELECT :payment_id, :order_id, :order_no, :user_id, :session_id, :title, :provider, :amount, :currency,
       :reason, :refund_key
WHERE NOT EXISTS (SELECT FROM payments WHERE payment_id = :payment_id)
ON CONFLICT (payment_id) DO NOTHING
RETURNING payment_id;

-- name: get_return^
-- A charge whose money goes back.
SELECT payment_id, order_id, order_no, user_id, session_id, title, amount, currency, reason, refund_key,
       attempts, failure
FROM recovered_charges
WHERE payment_id = :payment_id AND refund_key IS NOT NULL AND refunded_at IS NULL;

-- name: renew_refund_key$
-- The provider refused the last key for good; the new one is stored before it is used. Compare-and-set.
UPDATE recovered_charges SET refund_key = :new_key, attempts = attempts + 1, failure = NULL
WHERE payment_id = :payment_id AND refund_key = :old_key AND failure IS NOT NULL AND refunded_at IS NULL
RETURNING payment_id;

-- name: mark_returned$
-- Compare-and-set: NULL if somebody else has marked it, whose transaction has told of it.
UPDATE recovered_charges SET refunded_at = now(), failure = NULL
WHERE payment_id = :payment_id AND refund_key = :refund_key AND refunded_at IS NULL RETURNING payment_id;

-- name: mark_refused!
UPDATE recovered_charges SET failure = :failure
WHERE payment_id = :payment_id AND refund_key = :refund_key AND refunded_at IS NULL;

-- name: lost_orders
-- Those of these ids that no order has, and whether the order's money has gone back.
SELECT id AS order_id, EXISTS (SELECT FROM recovered_charges r
                               WHERE r.order_id = id AND r.refunded_at IS NOT NULL) AS returned
FROM unnest(:ids::uuid[]) AS id WHERE NOT EXISTS (SELECT FROM orders o WHERE o.order_id = id);

-- name: noted
-- A mail that was due when it was listed may be sent since: its id counts, whatever it was listed as.
SELECT subject FROM recovery_notes WHERE subject = ANY(:subjects::uuid[]);

-- name: note!
INSERT INTO recovery_notes (kind, subject) SELECT * FROM unnest(:kinds::text[], :subjects::uuid[])
ON CONFLICT DO NOTHING;

-- name: known_refunds
-- One row for each, in any order. `state`: of our refund with this key; `recovered`: it is of a charge that had
-- lost its order (returning.py).
SELECT n.provider_key, r.refund_id, r.state, p.state AS payment_state, o.order_id, o.order_no, o.user_id,
       o.session_id, o.title, o.starts_at, c.payment_id IS NOT NULL AS recovered
FROM unnest(:keys::uuid[], :payments::uuid[]) AS n (provider_key, payment_id)
LEFT JOIN refunds r ON r.provider_key = n.provider_key
LEFT JOIN payments p ON p.payment_id = n.payment_id
LEFT JOIN orders o ON o.order_id = p.order_id
LEFT JOIN recovered_charges c ON c.refund_key = n.provider_key;
