-- Payments: an intent row before the provider is called, its outcome afterwards.

-- name: payment_by_key^
SELECT payment_id, body_hash, state, reason, order_id FROM payments
WHERE order_id = :order_id AND idempotency_key = :key;

-- name: give_up_key!
-- Of a payment that its provider never heard of: the next one has the key, and an id of its own, because
-- a provider may have closed the old one for good. The caller has locked the order.
UPDATE payments SET idempotency_key = NULL, body_hash = NULL WHERE payment_id = :payment_id;

-- name: insert_payment!
INSERT INTO payments (payment_id, order_id, user_id, provider, method, amount, currency, state,
                      idempotency_key, body_hash, request_id)
VALUES (:payment_id, :order_id, :user_id, :provider, :method, :amount, :currency, 'created',
        :key, :body_hash, :request_id);

-- name: lock_payment$
-- The payment with its order: whoever settles, cancels, expires or pays waits for us. Alone, before
-- get_locked_payment, as lock_order is: another payment begun while we waited would be missed.
SELECT p.payment_id FROM payments p JOIN orders o USING (order_id)
WHERE p.payment_id = :payment_id FOR UPDATE OF o, p;

-- name: get_locked_payment^
SELECT p.payment_id, p.state, p.amount, p.currency, p.reason, o.order_id, o.order_no, o.user_id,
       o.session_id, o.status, o.cancel_reason, o.title, o.venue, o.starts_at, o.time_zone, o.total_amount,
       EXISTS (SELECT FROM payments other WHERE other.order_id = o.order_id
               AND other.payment_id <> p.payment_id
               AND other.state IN ('created', 'processing', 'succeeded')) AS another_live,
       (SELECT items::text FROM order_documents WHERE order_id = o.order_id) AS items
FROM payments p JOIN orders o USING (order_id)
WHERE p.payment_id = :payment_id;

-- name: move_payment$
-- Compare-and-set of the state of a payment.
UPDATE payments SET state = :to_state, reason = :reason, updated_at = now(), asked = 0, ask_at = now()
    + CASE WHEN :to_state = 'processing' THEN interval '5 seconds' ELSE interval '0' END
WHERE payment_id = :payment_id AND state = :from_state RETURNING payment_id;

-- name: get_payable_order^
SELECT p.payment_id, p.currency, o.order_id, o.order_no, o.user_id, o.session_id, o.title, o.venue,
       o.starts_at, o.time_zone, o.total_amount,
       (SELECT items::text FROM order_documents WHERE order_id = o.order_id) AS items
FROM payments p JOIN orders o USING (order_id) WHERE p.payment_id = :payment_id;

-- name: take_seats$
-- How many seats of the order are sold to it now; the caller compares with its items. Its own, free
-- ones, and those whose hold is past its end: the rule by which placing takes a seat over.
WITH taken AS (
    INSERT INTO seat_claims AS claim (session_id, seat_id, order_id, state)
    SELECT :session_id, seat_id, order_id, 'sold' FROM placed_items
    WHERE order_id = :order_id ORDER BY seat_id
    ON CONFLICT (session_id, seat_id) DO UPDATE
        SET order_id = EXCLUDED.order_id, state = 'sold', expires_at = NULL
        WHERE claim.state = 'held'
          AND (claim.order_id = EXCLUDED.order_id OR claim.expires_at < now())
    RETURNING claim.seat_id
)
SELECT count(*) FROM taken;

-- name: mark_paid$
-- From `pending_payment`, or from `cancelled` by time: whoever cancelled it himself wants no seats, and
-- what has begun is no longer sold.
UPDATE orders SET status = 'paid', paid_at = now(), cancelled_at = NULL, cancel_reason = NULL
WHERE order_id = :order_id AND status = :from_state
  AND (status = 'pending_payment'
       OR status = 'cancelled' AND cancel_reason = 'unpaid' AND starts_at > now())
RETURNING order_id;

-- name: count_tickets_again!
-- The tally that cancelling gave back; its constraint holds the cap of today.
UPDATE user_tallies t SET tickets = t.tickets + bought.tickets
FROM (SELECT o.session_id, o.user_id, count(*) AS tickets
      FROM orders o JOIN placed_items i USING (order_id)
      WHERE o.order_id = :order_id GROUP BY o.session_id, o.user_id) AS bought
WHERE t.session_id = bought.session_id AND t.user_id = bought.user_id;

-- name: insert_tickets!
INSERT INTO tickets (ticket_id, order_id, session_id, seat_id, user_id, code)
SELECT t.ticket_id, :order_id, :session_id, t.seat_id, :user_id, t.code
FROM unnest(:tickets::uuid[], :seats::int[], :codes::text[]) AS t (ticket_id, seat_id, code);

-- name: take_provider_event$
-- NULL when this event was taken before; in the transaction of its effect.
INSERT INTO provider_events (provider, event_id, type, payment_id)
VALUES (:provider, :event_id, :type, :payment_id)
ON CONFLICT DO NOTHING RETURNING event_id;

-- name: lease_pending_payments
-- Payments to ask the provider about, put off in the same breath: 10, 20, 40 … seconds, 5 minutes at
-- most, spread by a fifth. SKIP LOCKED: two processes ask about different ones. The states are those of
-- payments_unsettled, less one: so payments_one_live_per_order, which has every payment ever, serves no plan.
WITH due AS (
    SELECT payment_id FROM payments
    WHERE state IN ('created', 'processing', 'refund_due') AND state <> 'refund_due'
      AND (:older_than::interval IS NULL AND ask_at <= now()
           OR updated_at <= now() - :older_than::interval)
    ORDER BY ask_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE payments p SET asked = p.asked + 1, ask_at = now() + (0.8 + 0.4 * random())
       * least(interval '5 seconds' * power(2, least(p.asked, 10) + 1), interval '5 minutes')
FROM due WHERE p.payment_id = due.payment_id
RETURNING p.payment_id, p.amount, p.currency,
          extract(epoch FROM now() - p.created_at)::float8 AS age_s;

-- name: take_refunds_due
-- Refunds to try, put off likewise from 5 seconds on, should this try not come to its end.
WITH due AS (
    SELECT payment_id, order_id FROM payments WHERE state = 'refund_due' AND ask_at <= now()
    ORDER BY ask_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE payments p SET asked = p.asked + 1, ask_at = now() + (0.8 + 0.4 * random())
       * least(interval '5 seconds' * power(2, least(p.asked, 10)), interval '5 minutes')
FROM due JOIN orders o USING (order_id) WHERE p.payment_id = due.payment_id
RETURNING p.payment_id, p.order_id, o.order_no, p.user_id, o.session_id, o.title, p.reason, p.amount,
          p.currency;
