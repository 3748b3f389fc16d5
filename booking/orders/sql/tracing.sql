-- What an operator follows an order by. No user is named: only the command line asks this.

-- name: find_traced_order^
-- History oldest first; the provider knows a refund by its key.
SELECT o.order_id,
    ARRAY(SELECT e.request_id FROM order_history e WHERE e.order_id = o.order_id ORDER BY e.position)
        AS request_ids,
    ARRAY(SELECT p.payment_id FROM payments p WHERE p.order_id = o.order_id ORDER BY p.payment_id)
        AS payment_ids,
    ARRAY(SELECT unnest(ARRAY[r.refund_id, r.provider_key]) FROM refunds r
          WHERE r.order_id = o.order_id ORDER BY r.refund_id) AS refund_ids
FROM orders o WHERE o.order_no = :order_no;
