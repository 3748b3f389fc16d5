-- Invariants of promo codes, transfers and recovered charges, as in audit.sql.

-- name: audit_promo_uses_are_right
-- A counted use belongs to an active order; it is released when the order is cancelled or fully refunded.
-- Only an order revived by a late payment may be active without a counted use. Walks promo codes.
WITH codes AS MATERIALIZED (
    SELECT promo_code_id, uses, max_uses FROM promo_codes
    WHERE promo_code_id > :after AND promo_code_id <= :upto
), by_user AS MATERIALIZED (
    SELECT codes.promo_code_id, r.user_id, count(*) AS uses
    FROM codes CROSS JOIN LATERAL (
        SELECT user_id, released_at FROM promo_redemptions
        WHERE promo_code_id = codes.promo_code_id OFFSET 0) AS r
    WHERE r.released_at IS NULL GROUP BY codes.promo_code_id, r.user_id
), by_code AS (
    SELECT promo_code_id, sum(uses) AS uses FROM by_user GROUP BY promo_code_id
), told AS (
    SELECT promo_code_id, user_id, uses FROM promo_tallies
    WHERE promo_code_id > :after AND promo_code_id <= :upto
)
SELECT format('promo code %s has %s uses of %s and %s orders', c.promo_code_id, c.uses, c.max_uses,
              coalesce(b.uses, 0)) AS broken
FROM codes c LEFT JOIN by_code b USING (promo_code_id)
WHERE c.uses <> coalesce(b.uses, 0) OR c.uses > c.max_uses
UNION ALL
SELECT format('user %s has %s uses of promo code %s and %s orders', user_id, coalesce(t.uses, 0),
              promo_code_id, coalesce(b.uses, 0))
FROM told t FULL JOIN by_user b USING (promo_code_id, user_id)
WHERE coalesce(t.uses, 0) <> coalesce(b.uses, 0)
LIMIT :limit;

-- name: audit_promo_uses_have_orders
-- Walks redemptions.
SELECT format('the use of order %s is %s and the order %s', r.order_id,
              CASE WHEN r.released_at IS NULL THEN 'counted' ELSE 'given back' END,
              coalesce(o.status, 'not there')) AS broken
FROM (SELECT order_id, released_at FROM promo_redemptions
      WHERE order_id > :after AND order_id <= :upto OFFSET 0) AS r
LEFT JOIN LATERAL (SELECT status FROM orders WHERE order_id = r.order_id OFFSET 0) AS o ON true
WHERE CASE WHEN coalesce(o.status IN ('pending_payment', 'paid', 'completed'), false)
    THEN r.released_at IS NOT NULL AND 'stampede.order.cancelled.v1' <> ALL (ARRAY(
        SELECT e.type FROM order_events e WHERE e.order_id = r.order_id))
    ELSE r.released_at IS NULL END
LIMIT :limit;

-- name: audit_tickets_changed_hands_once
-- A transferred ticket is void, and another took its place. Walks transfers.
SELECT CASE WHEN t.status <> 'void' OR t.void_reason IS DISTINCT FROM 'transferred' OR t.user_id <> x.from_user_id
    THEN format('ticket %s was transferred and is %s', t.ticket_id, t.status)
    ELSE format('ticket %s took the place of %s and differs', n.ticket_id, t.ticket_id) END AS broken
FROM (SELECT ticket_id, new_ticket_id, order_id, from_user_id, to_user_id FROM ticket_transfers
      WHERE transfer_id > :after AND transfer_id <= :upto OFFSET 0) AS x
CROSS JOIN LATERAL (
    SELECT ticket_id, session_id, seat_id, user_id, code, status, void_reason FROM tickets
    WHERE ticket_id = x.ticket_id OFFSET 0) AS t
CROSS JOIN LATERAL (
    SELECT ticket_id, session_id, seat_id, order_id, user_id, code FROM tickets
    WHERE ticket_id = x.new_ticket_id OFFSET 0) AS n
WHERE t.status <> 'void' OR t.void_reason IS DISTINCT FROM 'transferred' OR t.user_id <> x.from_user_id
   OR (n.session_id, n.seat_id, n.order_id, n.user_id)
      IS DISTINCT FROM (t.session_id, t.seat_id, x.order_id, x.to_user_id) OR n.code = t.code
LIMIT :limit;

-- name: audit_tickets_have_holders
-- A ticket's holder bought it or received it by a transfer. Walks tickets.
SELECT format('ticket %s is held by %s, who neither bought it nor was given it', t.ticket_id, t.user_id) AS broken
FROM (SELECT ticket_id, order_id, user_id FROM tickets
      WHERE ticket_id > :after AND ticket_id <= :upto OFFSET 0) AS t
CROSS JOIN LATERAL (SELECT user_id FROM orders WHERE order_id = t.order_id OFFSET 0) AS o
LEFT JOIN LATERAL (
    SELECT true AS found FROM ticket_transfers WHERE new_ticket_id = t.ticket_id OFFSET 0) AS given
    ON t.user_id <> o.user_id
WHERE t.user_id <> o.user_id AND given.found IS NULL
LIMIT :limit;

-- name: audit_lost_charges_are_returned
-- Money that `stampede reconcile` has decided to send back, and whose run did not come to its end. By the index of
-- what is owed.
SELECT format('charge %s of %s %s has no order and is not sent back: %s', payment_id, amount, currency,
              coalesce(failure, 'run `stampede reconcile --apply` again')) AS broken
FROM recovered_charges
WHERE refund_key IS NOT NULL AND refunded_at IS NULL
  AND (failure IS NOT NULL OR decided_at < now() - :patience::interval)
LIMIT :limit;
