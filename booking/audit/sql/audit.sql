-- The invariants of PROMISES. Each query returns the violations of one in words; no row means it holds.
-- Each query reads one snapshot and every step is one transaction, so an invariant never breaks temporarily.
--
-- A query looks at one page of a walk: the rows whose key is after :after and not after :upto (pages.sql). What
-- belongs to a row is found by its key, in a LATERAL with OFFSET 0, as in a sale (docs/adr/0083): no plan, made on
-- empty tables or without statistics, can read a whole table once for a page, or for a row of it.

-- name: audit_seats_sold_once
-- P1, checked in the items of sold orders, not in the table whose key prevents it. Walks sessions.
SELECT format('session %s seat %s is sold by %s orders', o.session_id, i.seat_id, count(*)) AS broken
FROM (SELECT order_id, session_id, status FROM orders
      WHERE session_id > :after AND session_id <= :upto OFFSET 0) AS o
CROSS JOIN LATERAL (SELECT seat_id FROM items_in_force WHERE order_id = o.order_id OFFSET 0) AS i
WHERE o.status IN ('paid', 'completed')
GROUP BY o.session_id, i.seat_id HAVING count(*) > 1
UNION ALL
SELECT format('session %s seat %s has %s tickets', session_id, seat_id, count(*))
FROM tickets WHERE status <> 'void' AND session_id > :after AND session_id <= :upto
GROUP BY session_id, seat_id HAVING count(*) > 1
LIMIT :limit;

-- name: audit_claims_have_orders
-- Walks sessions, by their claims. An order's items are read once for all its claims.
SELECT format('session %s seat %s is %s for order %s, which is %s', claimed.session_id, c.seat_id, c.state,
              claimed.order_id, coalesce(o.status, 'not there')) AS broken
FROM (SELECT session_id, order_id, array_agg(seat_id) AS seats, array_agg(state) AS states FROM seat_claims
      WHERE session_id > :after AND session_id <= :upto AND state <> 'blocked'
      GROUP BY session_id, order_id OFFSET 0) AS claimed
LEFT JOIN LATERAL (SELECT session_id, status FROM orders WHERE order_id = claimed.order_id OFFSET 0) AS o
    ON o.session_id = claimed.session_id
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(seat_id), '{}') AS seats
    FROM items_in_force WHERE order_id = claimed.order_id OFFSET 0) AS i
CROSS JOIN LATERAL unnest(claimed.seats, claimed.states) AS c (seat_id, state)
WHERE c.seat_id <> ALL (i.seats) OR o.status IS NULL OR NOT CASE c.state
    WHEN 'held' THEN o.status = 'pending_payment' ELSE o.status IN ('paid', 'completed') END
LIMIT :limit;

-- name: audit_orders_have_claims
-- Walks orders.
SELECT format('order %s is %s without its seat %s', o.order_id, o.status, i.seat_id) AS broken
FROM (SELECT order_id, session_id, status, expires_at FROM orders
      WHERE order_id > :after AND order_id <= :upto OFFSET 0) AS o
CROSS JOIN LATERAL (SELECT seat_id FROM items_in_force WHERE order_id = o.order_id OFFSET 0) AS i
LEFT JOIN LATERAL (SELECT order_id, state FROM seat_claims
                   WHERE session_id = o.session_id AND seat_id = i.seat_id OFFSET 0) AS c
    ON c.order_id = o.order_id
    AND c.state = CASE WHEN o.status = 'pending_payment' THEN 'held' ELSE 'sold' END
WHERE c.order_id IS NULL AND (o.status IN ('paid', 'completed')
    OR o.status = 'pending_payment' AND o.expires_at > now())
LIMIT :limit;

-- name: audit_orders_add_up
-- The items' paid amounts add up to the total; their prices and fees add up to the total plus the discount. No item
-- has more tax in it, nor more fees that do not go back, than is paid for it. Walks orders.
SELECT format('order %s asks %s for items of %s, with fees of %s, %s off, of which %s are paid', o.order_id,
              o.total_amount, i.price, i.fees, coalesce(r.discount, 0), i.paid) AS broken
FROM (SELECT order_id, total_amount FROM orders
      WHERE order_id > :after AND order_id <= :upto OFFSET 0) AS o
CROSS JOIN LATERAL (
    SELECT count(*) AS items, sum(price) AS price, coalesce(sum(sum_of_lines(fees)), 0) AS fees,
           sum(coalesce(paid, price)) AS paid,
           coalesce(bool_or(sum_of_lines(tax) > coalesce(paid, price)
                            OR kept > coalesce(sum_of_lines(fees), 0)), false) AS is_astray
    FROM placed_items WHERE order_id = o.order_id OFFSET 0) AS i
LEFT JOIN LATERAL (
    SELECT discount FROM promo_redemptions WHERE order_id = o.order_id OFFSET 0) AS r ON true
WHERE i.items = 0
   OR i.paid IS DISTINCT FROM o.total_amount
   OR i.price + i.fees - coalesce(r.discount, 0) IS DISTINCT FROM o.total_amount
   OR i.is_astray
LIMIT :limit;

-- name: audit_orders_have_tickets
-- Walks orders.
SELECT format('order %s is %s and seat %s has no ticket', o.order_id, o.status, i.seat_id) AS broken
FROM (SELECT order_id, status FROM orders
      WHERE order_id > :after AND order_id <= :upto OFFSET 0) AS o
CROSS JOIN LATERAL (SELECT seat_id FROM items_in_force WHERE order_id = o.order_id OFFSET 0) AS i
LEFT JOIN LATERAL (SELECT ticket_id, seat_id, status FROM tickets WHERE order_id = o.order_id OFFSET 0) AS t
    ON t.seat_id = i.seat_id AND t.status <> 'void'
WHERE o.status IN ('paid', 'completed') AND t.ticket_id IS NULL
LIMIT :limit;

-- name: audit_tickets_have_orders
-- Walks tickets.
SELECT format('ticket %s is %s and its order %s is %s', t.ticket_id, t.status, t.order_id,
              coalesce(o.status, 'not there')) AS broken
FROM (SELECT ticket_id, order_id, status FROM tickets
      WHERE ticket_id > :after AND ticket_id <= :upto OFFSET 0) AS t
LEFT JOIN LATERAL (SELECT status FROM orders WHERE order_id = t.order_id OFFSET 0) AS o ON true
WHERE t.status <> 'void' AND (o.status IS NULL OR o.status NOT IN ('paid', 'completed'))
LIMIT :limit;

-- name: audit_entries_and_tickets_agree
-- A checked-in ticket was paid for, and its entry is the earliest scan that let somebody in. Walks tickets.
WITH looked AS MATERIALIZED (
    SELECT t.ticket_id, t.status, t.checked_in_at, t.order_id, scans.first_at, scans.entries
    FROM (SELECT ticket_id, status, checked_in_at, order_id FROM tickets
          WHERE ticket_id > :after AND ticket_id <= :upto OFFSET 0) AS t
    CROSS JOIN LATERAL (
        SELECT min(scanned_at) FILTER (WHERE admitted) AS first_at,
               count(*) FILTER (WHERE admitted AND NOT offline) AS entries
        FROM check_ins WHERE ticket_id = t.ticket_id OFFSET 0) AS scans
    WHERE t.status = 'checked_in' OR scans.entries > 0
)
SELECT format('ticket %s is checked in at %s, and its first entry was at %s', ticket_id, checked_in_at,
              coalesce(first_at::text, 'no time')) AS broken
FROM looked WHERE status = 'checked_in' AND first_at IS DISTINCT FROM checked_in_at
UNION ALL
SELECT format('ticket %s let somebody in %s times and is %s', ticket_id, entries, status)
FROM looked WHERE entries > 1 OR entries = 1 AND status = 'valid'
UNION ALL
SELECT format('ticket %s is checked in and its order %s is %s', t.ticket_id, t.order_id, o.status)
FROM looked t
CROSS JOIN LATERAL (SELECT status FROM orders WHERE order_id = t.order_id OFFSET 0) AS o
WHERE t.status = 'checked_in' AND o.status IN ('created', 'pending_payment', 'cancelled')
LIMIT :limit;

-- name: audit_orders_have_money
-- P6, P7. Money that was captured and not refunded paid for one order, in full and once. Walks orders.
SELECT format('order %s is %s with %s payments of %s, and costs %s', o.order_id, o.status,
              p.payments, coalesce(p.amount, 0), o.total_amount) AS broken
FROM (SELECT order_id, status, total_amount, currency FROM orders
      WHERE order_id > :after AND order_id <= :upto OFFSET 0) AS o
CROSS JOIN LATERAL (
    SELECT count(*) AS payments, sum(amount) AS amount FROM payments
    WHERE order_id = o.order_id AND state = 'succeeded' AND currency = o.currency OFFSET 0) AS p
WHERE CASE WHEN o.status IN ('paid', 'completed', 'refunded')
    THEN p.payments <> 1 OR p.amount <> o.total_amount
    ELSE p.payments > 0 END
LIMIT :limit;

-- name: audit_money_has_orders
-- Walks payments.
SELECT format('payment %s is %s for order %s, which is not there', p.payment_id, p.state, p.order_id) AS broken
FROM (SELECT payment_id, state, order_id FROM payments
      WHERE payment_id > :after AND payment_id <= :upto OFFSET 0) AS p
LEFT JOIN LATERAL (SELECT true AS found FROM orders WHERE order_id = p.order_id OFFSET 0) AS o ON true
WHERE o.found IS NULL
LIMIT :limit;

-- name: audit_captured_is_ticketed_or_refunded
-- Every fen of a paid order belongs to a ticket or to a refund (its fee included), and none to both. Walks orders.
SELECT format('order %s of %s has tickets of %s and refunds of %s', o.order_id, o.total_amount,
              ticketed.price, refunded.price) AS broken
FROM (SELECT order_id, status, total_amount FROM orders
      WHERE order_id > :after AND order_id <= :upto OFFSET 0) AS o
CROSS JOIN LATERAL (
    SELECT coalesce(sum(coalesce(i.paid, i.price)), 0) AS price
    FROM (SELECT seat_id, price, paid FROM placed_items WHERE order_id = o.order_id OFFSET 0) AS i
    WHERE i.seat_id = ANY (ARRAY(
        SELECT t.seat_id FROM tickets t WHERE t.order_id = o.order_id AND t.status <> 'void'))) AS ticketed
CROSS JOIN LATERAL (
    SELECT coalesce(sum(fee + amount), 0) AS price FROM refunds
    WHERE order_id = o.order_id AND state NOT IN ('requested', 'rejected') OFFSET 0) AS refunded
WHERE o.status IN ('paid', 'completed', 'refunded')
  AND ticketed.price + refunded.price <> o.total_amount
LIMIT :limit;

-- name: audit_refunds_have_seats
-- Walks refunds.
SELECT format('refund %s is of %s and its seats of %s', r.refund_id, r.price, i.price) AS broken
FROM (SELECT refund_id, price, state FROM refunds
      WHERE refund_id > :after AND refund_id <= :upto OFFSET 0) AS r
CROSS JOIN LATERAL (
    SELECT count(*) AS seats, sum(price) AS price,
           bool_or(effect <> CASE r.state WHEN 'requested' THEN 'wanted' WHEN 'rejected' THEN 'dropped'
                   ELSE 'freed' END) AS astray
    FROM refund_items WHERE refund_id = r.refund_id OFFSET 0) AS i
WHERE i.seats = 0 OR i.price <> r.price OR i.astray
LIMIT :limit;

-- name: audit_refunds_are_sent
-- A failed refund waits for a person (POST /refunds/{id}/retry). The others wait for the worker, which may
-- have many to send, one after the other. Both are few, and each has an index of its own.
SELECT format('refund %s of order %s is %s: %s', refund_id, order_id, state, coalesce(failure, '')) AS broken
FROM refunds WHERE state = 'failed'
UNION ALL
SELECT format('refund %s of order %s is %s: %s', refund_id, order_id, state, coalesce(failure, ''))
FROM refunds
WHERE state IN ('approved', 'processing') AND next_attempt < now() - :patience::interval
  AND NOT EXISTS (SELECT FROM refunds moved
                  WHERE moved.attempts > 0 AND moved.updated_at > now() - :patience::interval)
LIMIT :limit;

-- name: audit_cancelled_sessions_are_closed
-- Walks cancelled sessions.
WITH cancelled AS MATERIALIZED (
    SELECT session_id, finished_at FROM session_cancellations
    WHERE session_id > :after AND session_id <= :upto
)
SELECT format('session %s is cancelled and its seat %s is held', session_id, c.seat_id) AS broken
FROM cancelled CROSS JOIN LATERAL (
    SELECT seat_id, state FROM seat_claims WHERE session_id = cancelled.session_id OFFSET 0) AS c
WHERE c.state = 'held'
UNION ALL
SELECT format(CASE o.status WHEN 'paid' THEN 'session %s is worked off and order %s is paid'
              ELSE 'session %s is cancelled and order %s waits for money' END, session_id, o.order_id)
FROM cancelled CROSS JOIN LATERAL (
    SELECT order_id, status FROM orders WHERE session_id = cancelled.session_id OFFSET 0) AS o
WHERE o.status = 'pending_payment' OR o.status = 'paid' AND cancelled.finished_at IS NOT NULL
LIMIT :limit;

-- name: audit_payments_are_answered
-- P7. A provider may take long (`processing`), but the reconciler must ask it when that is due. By the index of
-- payments without an answer.
SELECT format('payment %s of order %s is %s since %s', payment_id, order_id, state, updated_at) AS broken
FROM payments
WHERE state IN ('created', 'processing', 'refund_due')
  AND (ask_at < now() - :patience::interval
       OR state <> 'processing' AND updated_at < now() - 2 * :patience::interval)
LIMIT :limit;

-- name: audit_tallies_are_right
-- Walks sessions.
WITH counted AS (
    SELECT o.session_id, o.user_id, sum(i.tickets) AS tickets
    FROM (SELECT order_id, session_id, user_id, status FROM orders
          WHERE session_id > :after AND session_id <= :upto OFFSET 0) AS o
    CROSS JOIN LATERAL (
        SELECT count(*) AS tickets FROM items_in_force WHERE order_id = o.order_id OFFSET 0) AS i
    WHERE o.status IN ('pending_payment', 'paid', 'completed') GROUP BY o.session_id, o.user_id
), told AS (
    SELECT session_id, user_id, tickets, cap FROM user_tallies
    WHERE session_id > :after AND session_id <= :upto
)
SELECT format('session %s user %s has %s tickets and a tally of %s under a cap of %s', session_id,
              user_id, coalesce(c.tickets, 0), coalesce(t.tickets, 0), t.cap) AS broken
FROM counted c FULL JOIN told t USING (session_id, user_id)
WHERE coalesce(c.tickets, 0) <> coalesce(t.tickets, 0) OR t.tickets > t.cap
LIMIT :limit;

-- name: audit_orders_end
-- P4. By the index of orders that wait for money.
SELECT format('order %s should have ended at %s', order_id, expires_at) AS broken
FROM orders WHERE status = 'pending_payment' AND expires_at < now() - :grace::interval
LIMIT :limit;

-- name: audit_holds_end
-- P4. Walks sessions, by their claims.
SELECT format('session %s seat %s should have ended at %s', session_id, seat_id, expires_at) AS broken
FROM (SELECT session_id, seat_id, state, expires_at FROM seat_claims
      WHERE session_id > :after AND session_id <= :upto OFFSET 0) AS c
WHERE state = 'held' AND expires_at < now() - :grace::interval
LIMIT :limit;

-- name: audit_history_tells_the_status
-- Walks orders.
SELECT format('order %s is %s and its history ends with %s', o.order_id, o.status, last.types) AS broken
FROM (SELECT order_id, status FROM orders
      WHERE order_id > :after AND order_id <= :upto OFFSET 0) AS o
CROSS JOIN LATERAL (
    SELECT array_agg(type ORDER BY position) AS types FROM order_history
    WHERE order_id = o.order_id OFFSET 0) AS last
WHERE NOT coalesce(last.types, '{}'::text[]) @> (ARRAY['stampede.order.created.v1']
    || CASE o.status
        WHEN 'pending_payment' THEN '{}'::text[]
        WHEN 'completed' THEN ARRAY['stampede.order.paid.v1', 'stampede.order.completed.v1']
        ELSE ARRAY[format('stampede.order.%s.v1', o.status)] END)
LIMIT :limit;

-- name: audit_outbox_is_drained_or_moving
SELECT format('%s events wait, the oldest since %s', count(*), min(created_at)) AS broken
FROM outbox HAVING min(created_at) < now() - :patience::interval;
