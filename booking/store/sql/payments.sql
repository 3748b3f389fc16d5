-- Payments: an intent row before the provider is called, its outcome afterwards.

-- name: payment_by_key^
SELECT payment_id, body_hash, state, reason, order_id FROM payments
WHERE order_id = :order_id AND idempotency_key = :key;

-- name: insert_payment!
INSERT INTO payments (payment_id, order_id, user_id, provider, method, amount, currency, state,
                      idempotency_key, body_hash, request_id)
VALUES (:payment_id, :order_id, :user_id, :provider, :method, :amount, :currency, 'created',
        :key, :body_hash, :request_id);

-- name: lock_payment^
-- The payment with its order, both locked: whoever settles, cancels or expires waits for us.
SELECT p.payment_id, p.state, p.amount, p.currency, p.reason, o.order_id, o.order_no, o.user_id,
       o.session_id, o.status, o.title, o.venue, o.starts_at, o.time_zone, o.total_amount,
       EXISTS (SELECT FROM payments other WHERE other.order_id = o.order_id
               AND other.payment_id <> p.payment_id
               AND other.state IN ('created', 'processing', 'succeeded')) AS another_live,
       (SELECT json_agg(i ORDER BY i.seat_id)::text FROM (
            SELECT seat_id, area_id, area, row, number, price
            FROM order_items WHERE order_id = o.order_id) AS i) AS items
FROM payments p JOIN orders o USING (order_id)
WHERE p.payment_id = :payment_id FOR UPDATE OF o, p;

-- name: move_payment$
-- Compare-and-set of the state of a payment.
UPDATE payments SET state = :to_state, reason = :reason, updated_at = now()
WHERE payment_id = :payment_id AND state = :from_state RETURNING payment_id;

-- name: sell_claims$
-- How many seats of the order are still its own, now sold. The caller compares with its items.
WITH sold AS (
    UPDATE seat_claims c SET state = 'sold', expires_at = NULL
    FROM order_items i
    WHERE i.order_id = :order_id AND c.session_id = :session_id AND c.seat_id = i.seat_id
      AND c.order_id = :order_id AND c.state = 'held'
    RETURNING c.seat_id
)
SELECT count(*) FROM sold;

-- name: mark_paid$
UPDATE orders SET status = 'paid', paid_at = now()
WHERE order_id = :order_id AND status = 'pending_payment' RETURNING order_id;

-- name: insert_tickets!
INSERT INTO tickets (ticket_id, order_id, session_id, seat_id, user_id, code)
SELECT t.ticket_id, :order_id, :session_id, t.seat_id, :user_id, t.code
FROM unnest(:tickets::uuid[], :seats::int[], :codes::text[]) AS t (ticket_id, seat_id, code);

-- name: take_provider_event$
-- NULL when this event was taken before; in the transaction of its effect.
INSERT INTO provider_events (provider, event_id, type, payment_id)
VALUES (:provider, :event_id, :type, :payment_id)
ON CONFLICT (provider, event_id) DO NOTHING RETURNING event_id;

-- name: unanswered_payments
-- Intents that have waited too long: the process died, or the provider has not said.
SELECT payment_id FROM payments
WHERE state IN ('created', 'processing') AND updated_at <= now() - :older_than::interval
ORDER BY updated_at LIMIT :limit;

-- name: touch_payment!
-- Still no answer, or a refund that failed: tried again after the others.
UPDATE payments SET updated_at = now()
WHERE payment_id = :payment_id AND state IN ('created', 'processing', 'refund_due');

-- name: refunds_due
SELECT payment_id, order_id, amount, currency FROM payments
WHERE state = 'refund_due' ORDER BY updated_at LIMIT :limit;
