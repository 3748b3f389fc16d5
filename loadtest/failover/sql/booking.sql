-- What booking has of the orders that clients were told of.

-- name: find_orders
-- Each order with its seats, and with those that have a valid ticket.
SELECT orders.order_id, orders.status,
    array(SELECT seat_id FROM placed_items WHERE placed_items.order_id = orders.order_id) AS seats,
    array(SELECT seat_id FROM tickets
          WHERE tickets.order_id = orders.order_id AND tickets.status <> 'void') AS tickets
FROM orders
WHERE orders.order_id = ANY(:order_ids::uuid[]);
