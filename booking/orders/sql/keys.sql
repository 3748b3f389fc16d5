-- Idempotency keys of orders.

-- name: prune_order_keys$
-- Kept for a day longer than the promised 24 hours. A page of the old ones: how many they were.
WITH forgotten AS (
    DELETE FROM order_keys WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM order_keys WHERE created_at < now() - interval '48 hours' LIMIT :limit))
    RETURNING order_id
)
SELECT count(*) FROM forgotten;
