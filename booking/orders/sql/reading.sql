-- Orders as their owners read them. Every query names the user: what is not yours is not there.

-- name: get_order^
SELECT o.*, d.items::text AS items,
    coalesce(d.items @> '[{"last_left": true}]', false) AS only_accessible_left,
    coalesce(d.items @> '[{"split": true}]', false) AS is_split,
    r.code AS promo_code, r.discount,
    (SELECT json_build_object('payment_id', p.payment_id, 'method', p.method, 'state', p.state)::text
     FROM payments p WHERE p.order_id = o.order_id
     ORDER BY p.created_at DESC, p.payment_id DESC LIMIT 1) AS payment,
    CASE WHEN o.paid_at IS NOT NULL THEN (SELECT count(*) FROM tickets t
        WHERE t.order_id = o.order_id AND t.user_id = o.user_id AND t.status <> 'void') END AS tickets_left,
    back.refunded_amount, back.refund_cause,
    c.reason AS session_cancelled_for, c.created_at AS session_cancelled_at
FROM orders_as_read o JOIN order_documents d ON d.order_id = o.order_id
LEFT JOIN promo_redemptions r ON r.order_id = o.order_id
LEFT JOIN session_cancellations c ON c.session_id = o.session_id
LEFT JOIN LATERAL (SELECT sum(amount)::bigint AS refunded_amount, max(cause) AS refund_cause FROM refunds
    WHERE order_id = o.order_id AND state NOT IN ('requested', 'rejected')) AS back ON true
WHERE o.order_id = :order_id AND o.user_id = :user_id;

-- name: list_places
-- What has become of each seat of the buyer's paid order: of its newest ticket, of the refund that it is
-- in, and to whom the buyer gave it last. A ticket that came back is the buyer's again.
SELECT i.seat_id, coalesce(i.paid, i.price) AS paid,
       CASE WHEN ri.effect = 'freed' THEN 'refunded'
            WHEN t.user_id <> o.user_id THEN 'given'
            WHEN ri.effect = 'wanted' THEN 'refund_requested'
            WHEN t.status = 'checked_in' THEN 'checked_in'
            ELSE 'valid' END AS status,
       CASE WHEN t.user_id = o.user_id AND t.status <> 'void' THEN t.ticket_id END AS ticket_id,
       CASE WHEN t.user_id <> o.user_id AND ri.effect IS DISTINCT FROM 'freed' THEN x.to_name END
           AS given_to,
       CASE WHEN ri.effect IS NOT NULL THEN coalesce(f.decided_at, f.created_at)
            WHEN t.user_id <> o.user_id THEN x.transferred_at ELSE t.checked_in_at END AS since
FROM orders o JOIN placed_items i ON i.order_id = o.order_id
JOIN LATERAL (SELECT * FROM tickets n WHERE n.order_id = i.order_id AND n.seat_id = i.seat_id
              ORDER BY n.status <> 'void' DESC, n.issued_at DESC, n.ticket_id DESC LIMIT 1) AS t ON true
LEFT JOIN refund_items ri ON ri.order_id = i.order_id AND ri.seat_id = i.seat_id AND ri.effect <> 'dropped'
LEFT JOIN refunds f ON f.refund_id = ri.refund_id
LEFT JOIN LATERAL (SELECT y.to_name, y.transferred_at FROM ticket_transfers y
                   JOIN tickets old ON old.ticket_id = y.ticket_id
                   WHERE y.order_id = i.order_id AND old.seat_id = i.seat_id AND y.from_user_id = o.user_id
                   ORDER BY y.transferred_at DESC LIMIT 1) AS x ON true
WHERE o.order_id = :order_id AND o.user_id = :user_id
ORDER BY i.seat_id;

-- name: get_order_by_key^
-- For replaying the answer to a POST /orders that was sent again with its key.
SELECT o.*, k.body_hash AS key_hash, d.items::text AS items,
    coalesce(d.items @> '[{"last_left": true}]', false) AS only_accessible_left,
    coalesce(d.items @> '[{"split": true}]', false) AS is_split,
    (d.items -> 0 -> 'left_alone')::text AS left_alone,
    r.code AS promo_code, r.discount
FROM keys_of_orders k JOIN orders_as_read o ON o.order_id = k.order_id
JOIN order_documents d ON d.order_id = o.order_id
LEFT JOIN promo_redemptions r ON r.order_id = o.order_id
WHERE k.user_id = :user_id AND k.key = :key
ORDER BY o.order_id DESC LIMIT 1;

-- name: keys_with_orders
-- Which of these keys have made an order: asked for every refusal that came with a key.
SELECT asked.user_id, asked.key
FROM unnest(:users::uuid[], :keys::text[]) AS asked (user_id, key)
WHERE EXISTS (SELECT FROM keys_of_orders k WHERE k.user_id = asked.user_id AND k.key = asked.key);

-- name: list_orders
-- Newest first, with the number of all of them: a row without an order if the page is empty. A cursor names the last
-- order that was seen; without one the offset counts. The index is looked into period by period (migrations/0022);
-- only the page's orders are read whole.
WITH mine AS MATERIALIZED (
    SELECT order_id, created_at FROM orders_as_read
    WHERE order_period(created_at) = ANY(ARRAY(SELECT period FROM order_periods() AS period))
      AND uuid_hash(user_id) = uuid_hash(:user_id::uuid) AND user_id = :user_id
      AND (:status::text IS NULL OR status = :status)
), page AS (
    SELECT order_id FROM mine
    WHERE :before::timestamptz IS NULL OR (created_at, order_id) < (:before, :before_id::uuid)
    ORDER BY created_at DESC, order_id DESC
    LIMIT :limit OFFSET :offset
)
SELECT o.*, d.items::text AS items,
    coalesce(d.items @> '[{"last_left": true}]', false) AS only_accessible_left,
    coalesce(d.items @> '[{"split": true}]', false) AS is_split,
    r.code AS promo_code, r.discount,
    CASE WHEN o.paid_at IS NOT NULL THEN (SELECT count(*) FROM tickets t
        WHERE t.order_id = o.order_id AND t.user_id = o.user_id AND t.status <> 'void') END AS tickets_left,
    back.refunded_amount, back.refund_cause,
    c.reason AS session_cancelled_for, c.created_at AS session_cancelled_at, counted.total
FROM (SELECT count(*) AS total FROM mine) AS counted
LEFT JOIN (page JOIN orders_as_read o USING (order_id)) ON true
LEFT JOIN order_documents d ON d.order_id = o.order_id
LEFT JOIN promo_redemptions r ON r.order_id = o.order_id
LEFT JOIN session_cancellations c ON c.session_id = o.session_id
LEFT JOIN LATERAL (SELECT sum(amount)::bigint AS refunded_amount, max(cause) AS refund_cause FROM refunds
    WHERE order_id = o.order_id AND state NOT IN ('requested', 'rejected')) AS back ON true
ORDER BY o.created_at DESC, o.order_id DESC;

-- name: owns_order$
SELECT EXISTS (SELECT FROM orders WHERE order_id = :order_id AND user_id = :user_id);

-- name: list_order_events
-- Oldest first: positions ascend within an order because its steps lock its row. The first may be 0.
SELECT position, event_id, type, time, request_id, data::text AS data
FROM order_history WHERE order_id = :order_id AND position > :after
ORDER BY position LIMIT :limit;
