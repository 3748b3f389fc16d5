-- Lists and figures of one session. Cursors are plain bounds, never `:cursor IS NULL OR …`: one plan for
-- both cases would read the session from its beginning for every page.

-- name: orders_of_session
-- Newest first, before order `before`. Items and refunds are looked up for the page's orders only; OFFSET 0
-- keeps the planner from joining whole tables.
SELECT page.*, r.code AS promo_code, coalesce(r.discount, 0) AS discount,
       (SELECT json_agg(i ORDER BY i.seat_id)::text FROM (
            SELECT seat_id, area_id, area, row, number, price, coalesce(paid, price) AS paid, category,
                   category_name, coalesce(fees, '[]') AS fees, coalesce(tax, '[]') AS tax,
                   coalesce(costs, '[]') AS costs
            FROM placed_items WHERE order_id = page.order_id) AS i) AS items,
       (SELECT json_agg(f ORDER BY f.refund_id)::text FROM (
            SELECT refund_id, state AS status, amount
            FROM refunds WHERE order_id = page.order_id) AS f) AS refunds
FROM (
    SELECT order_id, order_no, user_id, status, cancel_reason, total_amount, currency, created_at,
           expires_at, paid_at
    FROM orders_as_read
    WHERE session_id = :session_id AND order_id < :before
      AND (:status::text IS NULL OR status = :status)
    ORDER BY order_id DESC LIMIT :limit OFFSET :offset
) AS page
LEFT JOIN LATERAL (SELECT code, discount FROM promo_redemptions
                   WHERE order_id = page.order_id OFFSET 0) AS r ON true
ORDER BY page.order_id DESC;

-- name: count_orders_of_session$
SELECT count(*) FROM orders_as_read
WHERE session_id = :session_id AND (:status::text IS NULL OR status = :status);

-- name: attendees_of_session
-- Valid and checked-in tickets in seat order, after seat `after`; served by the index that allows one such
-- ticket a seat.
SELECT page.*, i.area_id, i.area, i.row, i.number, i.category, i.category_name, i.proof, o.order_no
FROM (
    SELECT ticket_id, order_id, user_id, seat_id, status, checked_in_at, gate
    FROM tickets
    WHERE session_id = :session_id AND status <> 'void' AND seat_id > :after
      AND (:status::text IS NULL OR status = :status)
    ORDER BY seat_id LIMIT :limit OFFSET :offset
) AS page
JOIN LATERAL (SELECT area_id, area, row, number, category, category_name, proof FROM placed_items
              WHERE order_id = page.order_id AND seat_id = page.seat_id OFFSET 0) AS i ON true
JOIN LATERAL (SELECT order_no FROM orders WHERE order_id = page.order_id OFFSET 0) AS o ON true
ORDER BY page.seat_id;

-- name: count_attendees_of_session$
SELECT count(*) FROM tickets
WHERE session_id = :session_id AND status <> 'void' AND (:status::text IS NULL OR status = :status);

-- name: sales_of_session
-- Seats and amounts of every area in one statement, so at one moment. Areas are ranges of seat ids. An
-- expired hold does not count. Gross: the price paid for items of orders that were ever paid. Refunded: the
-- amount that was or is being refunded. A refund of several seats is divided in proportion to their prices;
-- each part is the difference of two rounded sums, so that the parts add up to the refund.
-- By category too, if it is wanted: one text for all areas, since it is of the same moment.
WITH given AS (
    SELECT * FROM unnest(:areas::uuid[], :firsts::int[], :lasts::int[])
        WITH ORDINALITY AS a (area_id, first_seat, last_seat, place)
), claims AS (
    SELECT a.area_id,
           count(*) FILTER (WHERE c.state = 'sold') AS sold,
           count(*) FILTER (WHERE c.state = 'held' AND c.expires_at > now()) AS held,
           count(*) FILTER (WHERE c.state = 'blocked') AS blocked
    FROM given a JOIN seat_claims c
        ON c.session_id = :session_id AND c.seat_id BETWEEN a.first_seat AND a.last_seat
    GROUP BY a.area_id
), bought AS (
    SELECT i.area_id, i.category, max(i.category_name) AS name, count(*) AS tickets,
           sum(coalesce(i.paid, i.price))::bigint AS gross,
           coalesce(sum(sum_of_lines(i.fees)), 0)::bigint AS fees,
           coalesce(sum(sum_of_lines(i.tax)), 0)::bigint AS tax,
           coalesce(sum(sum_of_lines(i.costs)), 0)::bigint AS costs
    FROM orders o JOIN placed_items i USING (order_id)
    WHERE o.session_id = :session_id AND o.paid_at IS NOT NULL
    GROUP BY i.area_id, i.category
), parts AS (
    SELECT i.area_id, i.category, r.amount, r.price AS whole, ri.price,
           sum(ri.price) OVER (PARTITION BY r.refund_id ORDER BY ri.seat_id) AS so_far
    FROM refunds r
    JOIN refund_items ri USING (refund_id)
    JOIN placed_items i ON i.order_id = ri.order_id AND i.seat_id = ri.seat_id
    WHERE r.session_id = :session_id AND r.state NOT IN ('requested', 'rejected')
), given_back AS (
    SELECT area_id, category, count(*) AS tickets,
           coalesce(sum(div(amount * so_far, nullif(whole, 0)) - div(amount * (so_far - price), nullif(whole, 0))),
                    0)::bigint AS refunded
    FROM parts GROUP BY area_id, category
), by_area AS (
    SELECT area_id, sum(gross)::bigint AS gross, sum(fees)::bigint AS fees, sum(tax)::bigint AS tax,
           sum(costs)::bigint AS costs
    FROM bought GROUP BY area_id
), by_category AS (
    SELECT b.category, max(b.name) AS name, sum(b.tickets - coalesce(k.tickets, 0))::bigint AS sold,
           sum(b.gross)::bigint AS gross, sum(b.fees)::bigint AS fees, sum(b.tax)::bigint AS tax,
           sum(b.costs)::bigint AS costs, coalesce(sum(k.refunded), 0)::bigint AS refunded
    FROM bought b LEFT JOIN given_back k ON k.area_id = b.area_id AND k.category = b.category
    WHERE b.category IS NOT NULL GROUP BY b.category
)
SELECT g.area_id, coalesce(c.sold, 0) AS sold, coalesce(c.held, 0) AS held,
       coalesce(c.blocked, 0) AS blocked, coalesce(b.gross, 0) AS gross,
       coalesce(b.fees, 0) AS fees, coalesce(b.tax, 0) AS tax, coalesce(b.costs, 0) AS costs,
       coalesce(k.refunded, 0) AS refunded, now() AS as_of,
       CASE WHEN :with_categories THEN
           (SELECT coalesce(json_agg(c ORDER BY c.category), '[]')::text FROM by_category c) END AS categories
FROM given g
LEFT JOIN claims c USING (area_id)
LEFT JOIN by_area b USING (area_id)
LEFT JOIN (SELECT area_id, sum(refunded)::bigint AS refunded FROM given_back GROUP BY area_id) AS k USING (area_id)
ORDER BY g.place;
