-- Transfers, and the list of a user's tickets.

-- name: get_transferable^
-- The user's ticket, and whether it can be transferred now. This is a check before the recipient is looked
-- up; void_transferred decides.
SELECT t.ticket_id,
       t.status = 'valid' AND o.status = 'paid' AND o.starts_at > now() AND NOT EXISTS (
           SELECT FROM refund_items r WHERE r.ticket_id = t.ticket_id AND r.effect = 'wanted'
       ) AS transferable
FROM tickets t JOIN orders o USING (order_id)
WHERE t.ticket_id = :ticket_id AND t.user_id = :user_id;

-- name: lock_order_of_ticket$
-- Every step of an order takes this lock first: its history stays in order, and a refund comes either before
-- or after the transfer.
SELECT order_id FROM orders
WHERE order_id = (SELECT t.order_id FROM tickets t WHERE t.ticket_id = :ticket_id) FOR UPDATE;

-- name: void_transferred^
-- Compare-and-set: of two transfers, or of a transfer and a scan, only one finds the ticket valid.
UPDATE tickets t SET status = 'void', void_reason = 'transferred'
FROM orders o JOIN placed_items i USING (order_id)
WHERE t.ticket_id = :ticket_id AND t.user_id = :user_id AND t.status = 'valid'
  AND o.order_id = t.order_id AND i.seat_id = t.seat_id
  AND o.status = 'paid' AND o.starts_at > now()
  AND NOT EXISTS (SELECT FROM refund_items r WHERE r.ticket_id = t.ticket_id AND r.effect = 'wanted')
RETURNING t.order_id, o.order_no, t.session_id, o.title, o.venue, o.starts_at, o.time_zone,
          t.seat_id, i.area, i.row, i.number, i.category_name, i.proof;

-- name: insert_transfer$
-- Issues the recipient's ticket and records the transfer. The index tickets_one_valid_per_seat applies here
-- as it does to a sale.
WITH issued AS (
    INSERT INTO tickets (ticket_id, order_id, session_id, seat_id, user_id, code)
    VALUES (:new_ticket_id, :order_id, :session_id, :seat_id, :to_user_id, :code)
    RETURNING ticket_id
)
INSERT INTO ticket_transfers (transfer_id, ticket_id, new_ticket_id, order_id, from_user_id, to_user_id,
                              from_name, to_name)
SELECT :transfer_id, :ticket_id, issued.ticket_id, :order_id, :from_user_id, :to_user_id,
       :from_name, :to_name FROM issued
RETURNING transferred_at;

-- name: lock_guesses!
-- A statement of its own, before take_guess: parallel guesses of a person are counted one after the other.
SELECT pg_advisory_xact_lock(hashtextextended('recipients of ' || :user_id::uuid::text, 7382));

-- name: take_guess$
-- Counts a miss, until give_guess_back. NULL if there are `most` recent misses. Deletes misses that are too
-- old to count.
WITH forgotten AS (
    DELETE FROM recipient_misses WHERE user_id = :user_id AND missed_at <= now() - :within::interval
)
INSERT INTO recipient_misses (user_id)
SELECT :user_id::uuid WHERE (
    SELECT count(*) FROM recipient_misses
    WHERE user_id = :user_id AND missed_at > now() - :within::interval
) < :most RETURNING missed_at;

-- name: give_guess_back!
DELETE FROM recipient_misses WHERE user_id = :user_id AND missed_at = :taken_at;

-- name: list_tickets
-- Newest first: ids ascend with time.
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
WHERE t.user_id = :user_id AND (:status::text IS NULL OR t.status = :status)
ORDER BY t.ticket_id DESC LIMIT :limit OFFSET :offset;

-- name: count_tickets$
SELECT count(*) FROM tickets
WHERE user_id = :user_id AND (:status::text IS NULL OR status = :status);
