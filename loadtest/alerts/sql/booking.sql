-- What is done to booking's data, and undone.

-- name: break_an_order$
-- Its total no longer adds up.
UPDATE orders SET total_amount = total_amount + 1
WHERE order_id = (SELECT order_id FROM orders WHERE status = 'paid' LIMIT 1)
RETURNING order_id;

-- name: mend_the_order!
UPDATE orders SET total_amount = total_amount - 1 WHERE order_id = :order_id;

-- name: age_payments!
-- As if the provider had not answered for ten minutes.
UPDATE payments SET created_at = created_at - interval '10 minutes'
WHERE state IN ('created', 'processing');

-- name: drop_connections_of_standbys!
-- A standby that hangs would look alive until wal_sender_timeout.
SELECT pg_terminate_backend(pid) FROM pg_stat_replication;
