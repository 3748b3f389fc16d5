-- phase: contract
-- needs: 0017
-- transaction: no
-- After the last process of an older release: nothing is written twice any more (0017).
-- First the keys of orders placed by an older release move to where keys are held from now on: those of the two days
-- that keys are kept, by the primary key, since ids begin with their time. Run twice, it goes on where it stopped.
DO $$
DECLARE
    eldest CONSTANT uuid := (lpad(to_hex((extract(epoch FROM now() - interval '48 hours') * 1000)::bigint), 12, '0')
                             || repeat('0', 20))::uuid;
    after  uuid := eldest;
    behind uuid;
BEGIN
    LOOP
        SELECT order_id INTO behind FROM (
            SELECT order_id FROM orders WHERE order_id > after ORDER BY order_id LIMIT 5000) AS page
        ORDER BY order_id DESC LIMIT 1;
        EXIT WHEN behind IS NULL;
        INSERT INTO order_keys (user_id, key, order_id, body_hash, created_at)
        SELECT user_id, idempotency_key, order_id, body_hash, created_at FROM orders
        WHERE order_id > after AND order_id <= behind AND idempotency_key IS NOT NULL
        ORDER BY user_id, idempotency_key
        ON CONFLICT DO NOTHING;
        COMMIT;
        after := behind;
    END LOOP;
    SET LOCAL lock_timeout = '300ms';  -- others wait behind a trigger that is dropped
    DROP TRIGGER IF EXISTS orders_in_older_form ON orders;
    COMMIT;
    SET LOCAL lock_timeout = '300ms';
    DROP TRIGGER IF EXISTS promo_redemptions_in_older_form ON promo_redemptions;
    COMMIT;
    SET LOCAL lock_timeout = '300ms';
    DROP TRIGGER IF EXISTS order_keys_in_older_form ON order_keys;
    COMMIT;
    SET LOCAL lock_timeout = '300ms';
    DROP TRIGGER IF EXISTS outbox_in_older_form ON outbox;
    DROP FUNCTION IF EXISTS older_form_of_orders(), older_form_of_redemptions(), older_form_of_keys(),
        older_form_of_events(), seats_by_area(jsonb), event_beside(uuid, int);
    COMMIT;
END
$$;
