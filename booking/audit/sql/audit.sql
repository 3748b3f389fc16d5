-- The invariants of PROMISES. Each query returns the violations of one in words; no row means it holds.
-- Each query reads one snapshot and every step is one transaction, so an invariant never breaks temporarily.

-- name: audit_seats_sold_once
-- P1, checked in the items of sold orders, not in the table whose key prevents it.
SELECT format('session %s seat %s is sold by %s orders', o.session_id, i.seat_id, count(*)) AS broken
FROM orders o JOIN items_in_force i USING (order_id) WHERE o.status IN ('paid', 'completed')
GROUP BY o.session_id, i.seat_id HAVING count(*) > 1
UNION ALL
SELECT format('session %s seat %s has %s tickets', session_id, seat_id, count(*))
FROM tickets WHERE status <> 'void' GROUP BY session_id, seat_id HAVING count(*) > 1
LIMIT :limit;

-- name: audit_claims_and_orders_agree
SELECT format('session %s seat %s is %s for order %s, which is %s', c.session_id, c.seat_id, c.state,
              c.order_id, coalesce(o.status, 'not there')) AS broken
FROM seat_claims c LEFT JOIN orders o ON o.order_id = c.order_id AND o.session_id = c.session_id
LEFT JOIN items_in_force i ON i.order_id = c.order_id AND i.seat_id = c.seat_id
WHERE c.state <> 'blocked' AND (i.order_id IS NULL OR o.status IS NULL OR NOT CASE c.state
    WHEN 'held' THEN o.status = 'pending_payment' ELSE o.status IN ('paid', 'completed') END)
UNION ALL
SELECT format('order %s is %s without its seat %s', o.order_id, o.status, i.seat_id)
FROM orders o JOIN items_in_force i USING (order_id)
LEFT JOIN seat_claims c ON c.session_id = o.session_id AND c.seat_id = i.seat_id
    AND c.order_id = o.order_id
    AND c.state = CASE WHEN o.status = 'pending_payment' THEN 'held' ELSE 'sold' END
WHERE c.order_id IS NULL AND (o.status IN ('paid', 'completed')
    OR o.status = 'pending_payment' AND o.expires_at > now())
LIMIT :limit;

-- name: audit_orders_add_up
-- The items' paid amounts add up to the total; their prices and fees add up to the total plus the discount. No item
-- has more tax in it, nor more fees that do not go back, than is paid for it.
SELECT format('order %s asks %s for items of %s, with fees of %s, %s off, of which %s are paid', o.order_id,
              o.total_amount, sum(i.price), coalesce(sum(sum_of_lines(i.fees)), 0), coalesce(r.discount, 0),
              sum(coalesce(i.paid, i.price))) AS broken
FROM orders o LEFT JOIN placed_items i USING (order_id) LEFT JOIN promo_redemptions r USING (order_id)
GROUP BY o.order_id, o.total_amount, r.discount
HAVING count(i.seat_id) = 0
    OR sum(coalesce(i.paid, i.price)) IS DISTINCT FROM o.total_amount
    OR sum(i.price) + coalesce(sum(sum_of_lines(i.fees)), 0) - coalesce(r.discount, 0)
       IS DISTINCT FROM o.total_amount
    OR bool_or(sum_of_lines(i.tax) > coalesce(i.paid, i.price))
    OR bool_or(i.kept > coalesce(sum_of_lines(i.fees), 0))
LIMIT :limit;

-- name: audit_tickets_and_orders_agree
SELECT format('order %s is %s and seat %s has no ticket', o.order_id, o.status, i.seat_id) AS broken
FROM orders o JOIN items_in_force i USING (order_id)
LEFT JOIN tickets t ON t.order_id = o.order_id AND t.seat_id = i.seat_id AND t.status <> 'void'
WHERE o.status IN ('paid', 'completed') AND t.ticket_id IS NULL
UNION ALL
SELECT format('ticket %s is %s and its order %s is %s', t.ticket_id, t.status, t.order_id,
              coalesce(o.status, 'not there'))
FROM tickets t LEFT JOIN orders o USING (order_id)
WHERE t.status <> 'void' AND (o.status IS NULL OR o.status NOT IN ('paid', 'completed'))
LIMIT :limit;

-- name: audit_entries_and_tickets_agree
-- A checked-in ticket was paid for, and its entry is the earliest scan that let somebody in.
SELECT format('ticket %s is checked in at %s, and its first entry was at %s', t.ticket_id,
              t.checked_in_at, coalesce(first.at::text, 'no time')) AS broken
FROM tickets t
LEFT JOIN LATERAL (SELECT min(c.scanned_at) AS at FROM check_ins c
                   WHERE c.ticket_id = t.ticket_id AND c.admitted) AS first ON true
WHERE t.status = 'checked_in' AND first.at IS DISTINCT FROM t.checked_in_at
UNION ALL
SELECT format('ticket %s let somebody in %s times and is %s', t.ticket_id, count(*), t.status)
FROM tickets t JOIN check_ins c USING (ticket_id) WHERE c.admitted AND NOT c.offline
GROUP BY t.ticket_id, t.status HAVING count(*) > 1 OR t.status = 'valid'
UNION ALL
SELECT format('ticket %s is checked in and its order %s is %s', t.ticket_id, o.order_id, o.status)
FROM tickets t JOIN orders o USING (order_id)
WHERE t.status = 'checked_in' AND o.status IN ('created', 'pending_payment', 'cancelled')
LIMIT :limit;

-- name: audit_money_is_ticketed_or_goes_back
-- P6, P7. Money that was captured and not refunded paid for one order, in full and once.
SELECT format('order %s is %s with %s payments of %s, and costs %s', o.order_id, o.status,
              count(p.payment_id), coalesce(sum(p.amount), 0), o.total_amount) AS broken
FROM orders o LEFT JOIN payments p ON p.order_id = o.order_id AND p.state = 'succeeded'
    AND p.currency = o.currency
GROUP BY o.order_id, o.status, o.total_amount
HAVING (o.status IN ('paid', 'completed', 'refunded')
        AND (count(p.payment_id) <> 1 OR sum(p.amount) <> o.total_amount))
    OR (o.status NOT IN ('paid', 'completed', 'refunded') AND count(p.payment_id) > 0)
UNION ALL
SELECT format('payment %s is %s for order %s, which is not there', p.payment_id, p.state, p.order_id)
FROM payments p WHERE NOT EXISTS (SELECT FROM orders o WHERE o.order_id = p.order_id)
LIMIT :limit;

-- name: audit_captured_is_ticketed_or_refunded
-- Every fen of a paid order belongs to a ticket or to a refund (its fee included), and none to both.
SELECT format('order %s of %s has tickets of %s and refunds of %s', o.order_id, o.total_amount,
              ticketed.price, refunded.price) AS broken
FROM orders o
CROSS JOIN LATERAL (
    SELECT coalesce(sum(coalesce(i.paid, i.price)), 0) AS price FROM placed_items i
    WHERE i.order_id = o.order_id AND EXISTS (
        SELECT FROM tickets t WHERE t.order_id = i.order_id AND t.seat_id = i.seat_id
        AND t.status <> 'void')) AS ticketed
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.fee + r.amount), 0) AS price FROM refunds r
    WHERE r.order_id = o.order_id AND r.state NOT IN ('requested', 'rejected')) AS refunded
WHERE o.status IN ('paid', 'completed', 'refunded')
  AND ticketed.price + refunded.price <> o.total_amount
UNION ALL
SELECT format('refund %s is of %s and its seats of %s', r.refund_id, r.price, sum(i.price))
FROM refunds r LEFT JOIN refund_items i USING (refund_id)
GROUP BY r.refund_id, r.price, r.state
HAVING count(i.seat_id) = 0 OR sum(i.price) <> r.price
    OR bool_or(i.effect <> CASE r.state WHEN 'requested' THEN 'wanted' WHEN 'rejected' THEN 'dropped'
               ELSE 'freed' END)
LIMIT :limit;

-- name: audit_refunds_are_sent
-- A failed refund waits for a person (POST /refunds/{id}/retry). The others wait for the worker, which may
-- have many to send, one after the other.
SELECT format('refund %s of order %s is %s: %s', refund_id, order_id, state, coalesce(failure, '')) AS broken
FROM refunds
WHERE state = 'failed'
   OR (state IN ('approved', 'processing') AND next_attempt < now() - :patience::interval
       AND NOT EXISTS (SELECT FROM refunds moved
                       WHERE moved.attempts > 0 AND moved.updated_at > now() - :patience::interval))
LIMIT :limit;

-- name: audit_cancelled_sessions_are_closed
SELECT format('session %s is cancelled and its seat %s is held', session_id, seat_id) AS broken
FROM seat_claims JOIN session_cancellations USING (session_id) WHERE state = 'held'
UNION ALL
SELECT format('session %s is cancelled and order %s waits for money', session_id, order_id)
FROM orders JOIN session_cancellations USING (session_id) WHERE status = 'pending_payment'
UNION ALL
SELECT format('session %s is worked off and order %s is paid', session_id, order_id)
FROM orders JOIN session_cancellations c USING (session_id)
WHERE status = 'paid' AND c.finished_at IS NOT NULL
LIMIT :limit;

-- name: audit_payments_are_answered
-- P7. A provider may take long (`processing`), but the reconciler must ask it when that is due.
SELECT format('payment %s of order %s is %s since %s', payment_id, order_id, state, updated_at) AS broken
FROM payments
WHERE state IN ('created', 'processing', 'refund_due')
  AND (ask_at < now() - :patience::interval
       OR state <> 'processing' AND updated_at < now() - 2 * :patience::interval)
LIMIT :limit;

-- name: audit_tallies_are_right
WITH counted AS (
    SELECT o.session_id, o.user_id, count(*) AS tickets
    FROM orders o JOIN items_in_force i USING (order_id)
    WHERE o.status IN ('pending_payment', 'paid', 'completed') GROUP BY o.session_id, o.user_id
)
SELECT format('session %s user %s has %s tickets and a tally of %s under a cap of %s', session_id,
              user_id, coalesce(c.tickets, 0), coalesce(t.tickets, 0), t.cap) AS broken
FROM counted c FULL JOIN user_tallies t USING (session_id, user_id)
WHERE coalesce(c.tickets, 0) <> coalesce(t.tickets, 0) OR t.tickets > t.cap
LIMIT :limit;

-- name: audit_no_hold_past_its_end
-- P4.
SELECT format('order %s should have ended at %s', order_id, expires_at) AS broken
FROM orders WHERE status = 'pending_payment' AND expires_at < now() - :grace::interval
UNION ALL
SELECT format('session %s seat %s should have ended at %s', session_id, seat_id, expires_at)
FROM seat_claims WHERE state = 'held' AND expires_at < now() - :grace::interval
LIMIT :limit;

-- name: audit_history_tells_the_status
SELECT format('order %s is %s and its history ends with %s', o.order_id, o.status, last.types) AS broken
FROM orders o LEFT JOIN LATERAL (
    SELECT array_agg(e.type ORDER BY e.position) AS types FROM order_history e
    WHERE e.order_id = o.order_id) AS last ON true
WHERE NOT coalesce(last.types, '{}'::text[]) @> (ARRAY['stampede.order.created.v1']
    || CASE o.status
        WHEN 'pending_payment' THEN '{}'::text[]
        WHEN 'completed' THEN ARRAY['stampede.order.paid.v1', 'stampede.order.completed.v1']
        ELSE ARRAY[format('stampede.order.%s.v1', o.status)] END)
LIMIT :limit;

-- name: audit_outbox_is_drained_or_moving
SELECT format('%s events wait, the oldest since %s', count(*), min(created_at)) AS broken
FROM outbox HAVING min(created_at) < now() - :patience::interval;
