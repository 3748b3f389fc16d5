-- Invariants of promo codes, transfers and recovered charges. Each returns its violations in words.

-- name: audit_promo_uses_are_right
-- A counted use belongs to an active order; it is released when the order is cancelled or fully refunded.
-- Only an order revived by a late payment may be active without a counted use.
WITH counted AS (
    SELECT promo_code_id, user_id FROM promo_redemptions WHERE released_at IS NULL
), by_code AS (
    SELECT promo_code_id, count(*) AS uses FROM counted GROUP BY promo_code_id
), by_user AS (
    SELECT promo_code_id, user_id, count(*) AS uses FROM counted GROUP BY promo_code_id, user_id
)
SELECT format('promo code %s has %s uses of %s and %s orders', c.promo_code_id, c.uses, c.max_uses,
              coalesce(b.uses, 0)) AS broken
FROM promo_codes c LEFT JOIN by_code b USING (promo_code_id)
WHERE c.uses <> coalesce(b.uses, 0) OR c.uses > c.max_uses
UNION ALL
SELECT format('user %s has %s uses of promo code %s and %s orders', user_id, coalesce(t.uses, 0),
              promo_code_id, coalesce(b.uses, 0))
FROM promo_tallies t FULL JOIN by_user b USING (promo_code_id, user_id)
WHERE coalesce(t.uses, 0) <> coalesce(b.uses, 0)
UNION ALL
SELECT format('the use of order %s is %s and the order %s', r.order_id,
              CASE WHEN r.released_at IS NULL THEN 'counted' ELSE 'given back' END,
              coalesce(o.status, 'not there'))
FROM promo_redemptions r LEFT JOIN orders o USING (order_id)
WHERE CASE WHEN coalesce(o.status IN ('pending_payment', 'paid', 'completed'), false)
    THEN r.released_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM order_events e
        WHERE e.order_id = r.order_id AND e.type = 'stampede.order.cancelled.v1')
    ELSE r.released_at IS NULL END
LIMIT :limit;

-- name: audit_tickets_changed_hands_once
-- A ticket's holder bought it or received it by a transfer. A transferred ticket is void.
SELECT format('ticket %s was transferred and is %s', t.ticket_id, t.status) AS broken
FROM ticket_transfers x JOIN tickets t USING (ticket_id)
WHERE t.status <> 'void' OR t.void_reason IS DISTINCT FROM 'transferred' OR t.user_id <> x.from_user_id
UNION ALL
SELECT format('ticket %s took the place of %s and differs', n.ticket_id, t.ticket_id)
FROM ticket_transfers x JOIN tickets t USING (ticket_id) JOIN tickets n ON n.ticket_id = x.new_ticket_id
WHERE (n.session_id, n.seat_id, n.order_id, n.user_id)
      IS DISTINCT FROM (t.session_id, t.seat_id, x.order_id, x.to_user_id) OR n.code = t.code
UNION ALL
SELECT format('ticket %s is held by %s, who neither bought it nor was given it', t.ticket_id, t.user_id)
FROM tickets t JOIN orders o USING (order_id)
WHERE t.user_id <> o.user_id
  AND NOT EXISTS (SELECT FROM ticket_transfers x WHERE x.new_ticket_id = t.ticket_id)
LIMIT :limit;

-- name: audit_lost_charges_are_returned
-- Money that `stampede reconcile` has decided to send back, and whose run did not come to its end.
SELECT format('charge %s of %s %s has no order and is not sent back: %s', payment_id, amount, currency,
              coalesce(failure, 'run `stampede reconcile --apply` again')) AS broken
FROM recovered_charges
WHERE refund_key IS NOT NULL AND refunded_at IS NULL
  AND (failure IS NOT NULL OR decided_at < now() - :patience::interval)
LIMIT :limit;
