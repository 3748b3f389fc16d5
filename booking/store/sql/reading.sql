-- Orders as their owners read them. Every query names the user: what is not yours is not there.

-- name: get_order^
SELECT o.*, (SELECT json_agg(i ORDER BY i.seat_id)::text FROM (
        SELECT seat_id, area_id, area, row, number, price, accessible IS NOT NULL AS accessible
        FROM order_items WHERE order_id = o.order_id) AS i) AS items,
    EXISTS (SELECT FROM order_items WHERE order_id = o.order_id AND accessible = 'last_left')
        AS only_accessible_left,
    r.code AS promo_code, r.discount,
    (SELECT json_build_object('payment_id', p.payment_id, 'method', p.method, 'state', p.state)::text
     FROM payments p WHERE p.order_id = o.order_id
     ORDER BY p.created_at DESC, p.payment_id DESC LIMIT 1) AS payment
FROM orders_as_read o LEFT JOIN promo_redemptions r ON r.order_id = o.order_id
WHERE o.order_id = :order_id AND o.user_id = :user_id;

-- name: get_order_by_key^
-- For replaying the answer to a POST /orders that was sent again with its key.
SELECT o.*, (SELECT json_agg(i ORDER BY i.seat_id)::text FROM (
        SELECT seat_id, area_id, area, row, number, price, accessible IS NOT NULL AS accessible
        FROM order_items WHERE order_id = o.order_id) AS i) AS items,
    EXISTS (SELECT FROM order_items WHERE order_id = o.order_id AND accessible = 'last_left')
        AS only_accessible_left,
    r.code AS promo_code, r.discount
FROM orders_as_read o LEFT JOIN promo_redemptions r ON r.order_id = o.order_id
WHERE o.user_id = :user_id AND o.idempotency_key = :key;

-- name: keys_with_orders
-- Which of these keys have made an order: asked for every refusal that came with a key.
SELECT asked.user_id, asked.key
FROM unnest(:users::uuid[], :keys::text[]) AS asked (user_id, key)
WHERE EXISTS (SELECT FROM orders o
              WHERE o.user_id = asked.user_id AND o.idempotency_key = asked.key);

-- name: list_orders
-- Newest first. A cursor names the last order that was seen; without one the offset counts.
SELECT o.*, (SELECT json_agg(i ORDER BY i.seat_id)::text FROM (
        SELECT seat_id, area_id, area, row, number, price, accessible IS NOT NULL AS accessible
        FROM order_items WHERE order_id = o.order_id) AS i) AS items,
    EXISTS (SELECT FROM order_items WHERE order_id = o.order_id AND accessible = 'last_left')
        AS only_accessible_left,
    r.code AS promo_code, r.discount
FROM orders_as_read o LEFT JOIN promo_redemptions r ON r.order_id = o.order_id
WHERE o.user_id = :user_id
  AND (:status::text IS NULL OR o.status = :status)
  AND (:before::timestamptz IS NULL OR (o.created_at, o.order_id) < (:before, :before_id::uuid))
ORDER BY o.created_at DESC, o.order_id DESC
LIMIT :limit OFFSET :offset;

-- name: count_orders$
SELECT count(*) FROM orders_as_read
WHERE user_id = :user_id AND (:status::text IS NULL OR status = :status);

-- name: owns_order$
SELECT EXISTS (SELECT FROM orders WHERE order_id = :order_id AND user_id = :user_id);

-- name: list_order_events
-- Oldest first: positions ascend within an order because its steps lock its row.
SELECT position, event_id, type, time, request_id, data::text AS data
FROM order_events WHERE order_id = :order_id AND position > :after
ORDER BY position LIMIT :limit;
