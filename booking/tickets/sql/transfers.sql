-- Transfers, and the list of a user's tickets.

-- name: get_transferable^
-- The user's ticket, and whether it can be transferred now. This is a check before the recipient is looked
-- up; void_transferred decides.
SELECT t.ticket_id,
       t.status = 'valid' AND o.status = 'paid' AND o.starts_at > now() AND NOT EXISTS (
           SELECT FROM refund_items r
           WHERE r.order_id = t.order_id AND r.seat_id = t.seat_id
             AND r.ticket_id = t.ticket_id AND r.effect = 'wanted' OFFSET 0
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
-- Its order is locked (lock_order_of_ticket), so what is found here stays. Each is found by its key (docs/adr/0098).
WITH own AS MATERIALIZED (
    SELECT o.order_no, o.title, o.venue, o.starts_at, o.time_zone, i.area, i.row, i.number, i.category_name, i.proof
    FROM (SELECT ticket_id, order_id, seat_id FROM tickets WHERE ticket_id = :ticket_id OFFSET 0) AS t
    CROSS JOIN LATERAL (
        SELECT order_no, title, venue, starts_at, time_zone, status = 'paid' AND starts_at > now() AS is_ahead
        FROM orders WHERE order_id = t.order_id OFFSET 0) AS o
    CROSS JOIN LATERAL (
        SELECT seat_id, area, row, number, category_name, proof
        FROM placed_items WHERE order_id = t.order_id OFFSET 0) AS i
    WHERE o.is_ahead AND i.seat_id = t.seat_id AND NOT EXISTS (
        SELECT FROM refund_items r
        WHERE r.order_id = t.order_id AND r.seat_id = t.seat_id
          AND r.ticket_id = t.ticket_id AND r.effect = 'wanted' OFFSET 0)
)
UPDATE tickets t SET status = 'void', void_reason = 'transferred'
FROM own
WHERE t.ticket_id = :ticket_id AND t.user_id = :user_id AND t.status = 'valid'
RETURNING t.order_id, own.order_no, t.session_id, own.title, own.venue, own.starts_at, own.time_zone,
          t.seat_id, own.area, own.row, own.number, own.category_name, own.proof;

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
-- Newest first, since ids ascend with time, with the number of all of them: a row without a ticket if the page is
-- empty. The index is looked into period by period, between its two ends (migrations/0029); only the page's tickets are
-- read whole.
WITH mine AS MATERIALIZED (
    SELECT ticket_id FROM tickets
    WHERE order_period(issued_at) = ANY(ARRAY(SELECT generate_series(
            (SELECT order_period(issued_at) FROM tickets ORDER BY order_period(issued_at) DESC LIMIT 1),
            (SELECT order_period(issued_at) FROM tickets ORDER BY order_period(issued_at) LIMIT 1), -1)))
      AND uuid_hash(user_id) = uuid_hash(:user_id::uuid) AND user_id = :user_id
      AND (:status::text IS NULL OR status = :status)
), page AS MATERIALIZED (
    SELECT ticket_id FROM mine ORDER BY ticket_id DESC LIMIT :limit OFFSET :offset
), shown AS (
    SELECT t.*, i.area, i.row, i.number, i.category, i.category_name, i.proof,
           o.title, o.venue, o.starts_at, o.time_zone, o.order_no,
           given.to_name AS given_to, given.transferred_at AS given_at,
           got.from_name AS received_from, got.transferred_at AS received_at,
           c.reason AS session_cancelled_for
    FROM page CROSS JOIN LATERAL (
        SELECT ticket_id, order_id, session_id, seat_id, user_id, status, void_reason, code, issued_at,
               checked_in_at FROM tickets WHERE ticket_id = page.ticket_id OFFSET 0) AS t
    JOIN LATERAL (SELECT title, venue, starts_at, time_zone, order_no FROM orders
                  WHERE order_id = t.order_id OFFSET 0) AS o ON true
    JOIN LATERAL (SELECT seat_id, area, row, number, category, category_name, proof FROM placed_items
                  WHERE order_id = t.order_id OFFSET 0) AS i ON i.seat_id = t.seat_id
    LEFT JOIN ticket_transfers given ON given.ticket_id = t.ticket_id
    LEFT JOIN ticket_transfers got ON got.new_ticket_id = t.ticket_id
    LEFT JOIN session_cancellations c ON c.session_id = t.session_id
)
SELECT shown.ticket_id, shown.order_id, shown.session_id, shown.seat_id, shown.user_id, shown.status,
       shown.void_reason, shown.code, shown.area, shown.row, shown.number,
       shown.category, shown.category_name, shown.proof, shown.title, shown.venue, shown.starts_at, shown.time_zone, shown.order_no, shown.issued_at, shown.checked_in_at, shown.given_to,
       shown.given_at, shown.received_from, shown.received_at, shown.session_cancelled_for, counted.total
FROM (SELECT count(*) AS total FROM mine) AS counted LEFT JOIN shown ON true
ORDER BY shown.ticket_id DESC;
