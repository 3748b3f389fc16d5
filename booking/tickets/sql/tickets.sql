-- Tickets and signing keys.

-- name: tickets_of_order
-- Only tickets the buyer still has; transferred ones are not shown to the buyer.
SELECT t.ticket_id, t.seat_id, i.area, i.row, i.number, i.category_name, i.proof
FROM tickets t JOIN placed_items i ON i.order_id = t.order_id AND i.seat_id = t.seat_id
WHERE t.order_id = :order_id AND t.status <> 'void'
  AND t.user_id = (SELECT o.user_id FROM orders o WHERE o.order_id = :order_id)
ORDER BY t.seat_id;

-- name: get_ticket^
-- The caller checks access: the ticket's owner, or anybody with the mailed link.
SELECT t.ticket_id, t.order_id, t.session_id, t.seat_id, t.user_id, t.status, t.void_reason, t.code,
       i.area, i.row, i.number, i.category, i.category_name, i.proof,
       o.title, o.venue, o.starts_at, o.time_zone, o.order_no, t.issued_at,
       t.checked_in_at, given.to_name AS given_to, given.transferred_at AS given_at,
       got.from_name AS received_from, got.transferred_at AS received_at,
       c.reason AS session_cancelled_for
FROM tickets t
JOIN orders o ON o.order_id = t.order_id
JOIN placed_items i ON i.order_id = t.order_id AND i.seat_id = t.seat_id
LEFT JOIN ticket_transfers given ON given.ticket_id = t.ticket_id
LEFT JOIN ticket_transfers got ON got.new_ticket_id = t.ticket_id
LEFT JOIN session_cancellations c ON c.session_id = t.session_id
WHERE t.ticket_id = :ticket_id;

-- name: lock_signing_keys!
-- Many processes start at once; one of them creates the keys.
SELECT pg_advisory_xact_lock(7382101);

-- name: list_signing_keys
SELECT kid, purpose, secret FROM signing_keys ORDER BY created_at, kid;

-- name: insert_signing_key!
INSERT INTO signing_keys (kid, purpose, secret) VALUES (:kid, :purpose, :secret);

-- name: signing_since
-- Since when the newest key of each purpose has signed.
SELECT purpose, extract(epoch FROM max(created_at))::float8 AS since FROM signing_keys GROUP BY purpose;
