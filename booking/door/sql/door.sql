-- The door: staff, scans and check-ins.

-- name: tickets_at_door
-- Everything that a scan checks. `replaced`: the seat has another ticket by now. The start is the order's
-- copy: it never changes after publishing (catalog's trigger), so catalog is not called.
SELECT t.ticket_id, t.order_id, t.session_id, t.seat_id, t.user_id, t.status, t.void_reason,
       t.code, t.checked_in_at, coalesce(t.gate, '') AS gate, i.area, i.row, i.number,
       i.category_name, i.proof, o.status AS order_status, o.title, o.venue, o.starts_at, o.time_zone,
       t.issued_at, now() AS asked_at,
       EXISTS (SELECT FROM session_cancellations c WHERE c.session_id = t.session_id) AS called_off,
       t.status = 'void' AND EXISTS (SELECT FROM tickets other
           WHERE other.session_id = t.session_id AND other.seat_id = t.seat_id
             AND other.status <> 'void') AS replaced
FROM tickets t
JOIN orders o ON o.order_id = t.order_id
JOIN placed_items i ON i.order_id = t.order_id AND i.seat_id = t.seat_id
WHERE t.ticket_id = ANY(:tickets::uuid[]);

-- name: sessions_open_to
-- The subset of `sessions` that the user is assigned to, by the organizer or, for all, by the operator.
SELECT s.session_id FROM unnest(:sessions::uuid[]) AS s (session_id)
WHERE EXISTS (SELECT FROM house_staff h WHERE h.user_id = :user_id)
   OR EXISTS (SELECT FROM door_staff d WHERE d.session_id = s.session_id AND d.user_id = :user_id);

-- name: is_house_staff$
SELECT EXISTS (SELECT FROM house_staff WHERE user_id = :user_id);

-- name: sessions_sold
-- Sessions with sold tickets that began at most `back` ago, earliest first. Each takes one step over the
-- index, past all its other orders. With `title` and `venue`: only those with that title or at that venue.
WITH RECURSIVE sold AS (
    (SELECT starts_at, session_id, order_id, 1 AS place FROM orders
     WHERE status = 'paid' AND starts_at > now() - :back::interval
     ORDER BY starts_at, session_id LIMIT 1)
    UNION ALL
    SELECT next.starts_at, next.session_id, next.order_id, sold.place + 1
    FROM sold CROSS JOIN LATERAL (
        SELECT starts_at, session_id, order_id FROM orders
        WHERE status = 'paid' AND (starts_at, session_id) > (sold.starts_at, sold.session_id)
        ORDER BY starts_at, session_id LIMIT 1) AS next
    WHERE sold.place < :steps
)
SELECT session_id, o.title, o.venue, starts_at, o.time_zone, now() AS asked_at
FROM sold CROSS JOIN LATERAL (
    SELECT title, venue, time_zone FROM orders WHERE order_id = sold.order_id OFFSET 0) AS o
WHERE (:title::text IS NULL OR o.title = :title OR o.venue = :venue)
  AND NOT EXISTS (SELECT FROM session_cancellations c WHERE c.session_id = sold.session_id)
ORDER BY starts_at, session_id LIMIT :limit;

-- name: sessions_of_staff
-- The same, for the `steps` newest sessions that the user is assigned to by name.
SELECT d.session_id, o.title, o.venue, o.starts_at, o.time_zone, now() AS asked_at
FROM (SELECT session_id FROM door_staff WHERE user_id = :user_id
      ORDER BY session_id DESC LIMIT :steps) AS d
CROSS JOIN LATERAL (SELECT order_id FROM tickets t
      WHERE t.session_id = d.session_id AND t.status <> 'void' ORDER BY seat_id LIMIT 1) AS t
JOIN orders o ON o.order_id = t.order_id
WHERE o.starts_at > now() - :back::interval
  AND NOT EXISTS (SELECT FROM session_cancellations c WHERE c.session_id = d.session_id)
ORDER BY o.starts_at, d.session_id LIMIT :limit;

-- name: lock_orders_at_door
-- Locked before the tickets, as everywhere: a refund comes either before or after a scan.
SELECT order_id FROM orders WHERE order_id = ANY(:orders::uuid[]) ORDER BY order_id FOR UPDATE;

-- name: check_in^
-- Compare-and-set: of two gates one gets a row, the other rereads. Records the scan too.
WITH entered AS (
    UPDATE tickets t
    SET status = 'checked_in', checked_in_at = now(), gate = :gate, checked_in_by = :user_id
    FROM orders o
    WHERE t.ticket_id = :ticket_id AND t.status = 'valid' AND o.order_id = t.order_id
      AND o.status NOT IN ('created', 'pending_payment', 'cancelled', 'refunded')
      AND NOT EXISTS (SELECT FROM session_cancellations c WHERE c.session_id = t.session_id)
    RETURNING t.ticket_id, t.session_id, t.checked_in_at
), noted AS (
    INSERT INTO check_ins (check_in_id, ticket_id, session_id, user_id, gate, device, offline,
                           admitted, scanned_at, idempotency_key, request_id)
    SELECT :check_in_id, ticket_id, session_id, :user_id, :gate, '', false, true, checked_in_at,
           :key, :request_id
    FROM entered
)
SELECT checked_in_at FROM entered;

-- name: note_refused_scan!
-- Records the scan of a ticket that was no longer valid.
INSERT INTO check_ins (check_in_id, ticket_id, session_id, user_id, gate, device, offline, admitted,
                       scanned_at, request_id)
VALUES (:check_in_id, :ticket_id, :session_id, :user_id, :gate, '', false, false, now(), :request_id);

-- name: scan_by_key^
SELECT ticket_id, gate, scanned_at FROM check_ins
WHERE user_id = :user_id AND idempotency_key = :key;

-- name: lock_tickets_at_door
SELECT ticket_id, status FROM tickets WHERE ticket_id = ANY(:tickets::uuid[])
ORDER BY ticket_id FOR UPDATE;

-- name: note_offline_scans!
-- Scans that were reported before change nothing. A device's time is limited to between the ticket's issue
-- and now.
INSERT INTO check_ins (check_in_id, ticket_id, session_id, user_id, gate, device, offline, admitted,
                       scanned_at, device_time, request_id)
SELECT s.check_in_id, t.ticket_id, t.session_id, :user_id, s.gate, :device, true, true,
       greatest(least(t.issued_at, now()), least(s.device_time, now())), s.device_time, :request_id
FROM unnest(:ids::uuid[], :tickets::uuid[], :gates::text[], :times::timestamptz[])
     AS s (check_in_id, ticket_id, gate, device_time)
JOIN tickets t ON t.ticket_id = s.ticket_id
ON CONFLICT (ticket_id, device, device_time) WHERE offline DO NOTHING;

-- name: offline_scans_told
-- The scans that this device has already reported, as their places in the arrays.
SELECT s.place FROM unnest(:tickets::uuid[], :times::timestamptz[]) WITH ORDINALITY
     AS s (ticket_id, device_time, place)
JOIN check_ins c ON c.ticket_id = s.ticket_id AND c.device_time = s.device_time
WHERE c.offline AND c.device = :device;

-- name: enter_offline
-- The earliest scan that let somebody in is the ticket's entry, whenever it was reported. Scans that a
-- device's clock puts before the ticket's issue all count as made at the issue: of these the one reported
-- first counts, and of those reported together the earliest by the device's own time. No entry after the
-- session was cancelled.
UPDATE tickets t
SET status = 'checked_in', checked_in_at = f.scanned_at, gate = f.gate, checked_in_by = f.user_id
FROM (SELECT DISTINCT ON (ticket_id) ticket_id, scanned_at, gate, user_id FROM check_ins
      WHERE ticket_id = ANY(:tickets::uuid[]) AND admitted
      ORDER BY ticket_id, scanned_at, recorded_at, device_time NULLS FIRST, check_in_id) AS f, orders o
WHERE t.ticket_id = f.ticket_id AND o.order_id = t.order_id
  AND o.status NOT IN ('created', 'pending_payment', 'cancelled', 'refunded')
  AND (t.status = 'valid' OR t.status = 'checked_in' AND f.scanned_at < t.checked_in_at)
  AND NOT EXISTS (SELECT FROM session_cancellations c
                  WHERE c.session_id = t.session_id AND c.created_at <= f.scanned_at)
RETURNING t.ticket_id, t.order_id, t.session_id, t.seat_id, t.user_id, t.checked_in_at, t.gate;

-- name: admissions
-- Scans that let somebody in with these tickets, earliest first, in the order of enter_offline.
SELECT ticket_id, device, gate, scanned_at, device_time FROM check_ins
WHERE ticket_id = ANY(:tickets::uuid[]) AND admitted
ORDER BY ticket_id, scanned_at, recorded_at, device_time NULLS FIRST, check_in_id;

-- name: count_area_entries
-- Areas are ranges of seat ids (catalog's contract), so this reads no other table.
SELECT a.area_id, count(t.ticket_id) AS tickets,
       count(*) FILTER (WHERE t.status = 'checked_in') AS checked_in
FROM unnest(:areas::uuid[], :firsts::int[], :lasts::int[]) AS a (area_id, first_seat, last_seat)
LEFT JOIN tickets t ON t.session_id = :session_id AND t.status <> 'void'
    AND t.seat_id BETWEEN a.first_seat AND a.last_seat
GROUP BY a.area_id;

-- name: count_gate_entries
SELECT coalesce(gate, '') AS gate, count(*) AS checked_in FROM tickets
WHERE session_id = :session_id AND status = 'checked_in'
GROUP BY 1 ORDER BY 1 LIMIT :limit;

-- name: count_scans$
SELECT count(*) FROM check_ins WHERE session_id = :session_id;

-- name: list_scans
-- Newest first.
SELECT c.check_in_id, c.ticket_id, c.gate, c.device, c.offline, c.admitted, c.scanned_at,
       c.recorded_at, i.seat_id, i.area, i.row, i.number, i.category_name, i.proof
FROM check_ins c
JOIN tickets t ON t.ticket_id = c.ticket_id
JOIN placed_items i ON i.order_id = t.order_id AND i.seat_id = t.seat_id
WHERE c.session_id = :session_id
ORDER BY c.check_in_id DESC LIMIT :limit OFFSET :offset;

-- name: list_admissible
-- Tickets that are not void, in seat order, after seat `after`.
SELECT t.ticket_id, t.seat_id, t.status, t.checked_in_at, coalesce(t.gate, '') AS gate,
       i.area, i.row, i.number, i.category_name, i.proof
FROM tickets t JOIN placed_items i ON i.order_id = t.order_id AND i.seat_id = t.seat_id
WHERE t.session_id = :session_id AND t.status <> 'void' AND t.seat_id > :after
ORDER BY t.seat_id LIMIT :limit;

-- name: count_admissible$
SELECT count(*) FROM tickets WHERE session_id = :session_id AND status <> 'void';

-- name: assign_staff^
-- No row means that the session has `most` staff already. An existing assignment stays unchanged.
INSERT INTO door_staff (session_id, user_id, assigned_by)
SELECT :session_id, :user_id, :assigned_by
WHERE EXISTS (SELECT FROM door_staff WHERE session_id = :session_id AND user_id = :user_id)
   OR (SELECT count(*) FROM door_staff WHERE session_id = :session_id) < :most
ON CONFLICT (session_id, user_id) DO UPDATE SET assigned_by = door_staff.assigned_by
RETURNING assigned_at, xmax = 0 AS news;

-- name: dismiss_staff$
DELETE FROM door_staff WHERE session_id = :session_id AND user_id = :user_id RETURNING user_id;

-- name: list_staff
SELECT user_id, assigned_at FROM door_staff WHERE session_id = :session_id
ORDER BY assigned_at, user_id LIMIT :limit;

-- name: assign_house_staff!
INSERT INTO house_staff (user_id) VALUES (:user_id) ON CONFLICT (user_id) DO NOTHING;

-- name: dismiss_house_staff$
DELETE FROM house_staff WHERE user_id = :user_id RETURNING user_id;
