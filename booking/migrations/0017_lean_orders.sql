-- Fewer rows for an order (docs/adr/0077): its items in its own row, no history of what that row says, one row of
-- the outbox for all the events of a step, and idempotency keys in a small table.
--
-- The triggers below write the older form beside the new one while processes of an older release run. 0018 drops
-- them.

-- `items`: as they were placed, a JSON array in ascending order of seats. Each has seat_id, area_id, area, row,
-- number, price; `accessible` where it is an accessible seat, `last_left` where its buyer had not asked for one,
-- `paid` where a promo code took something off. `request_id`: of the request that placed the order.
-- Both are NULL for orders of before, whose items are in order_items and whose beginning is in order_events.
ALTER TABLE orders ADD COLUMN items jsonb, ADD COLUMN request_id text;
ALTER TABLE orders ADD CONSTRAINT orders_items_have_request CHECK
    ((items IS NULL) = (request_id IS NULL)) NOT VALID;

-- The keys of orders, for two days: the promise is one (booking/orders/sql/keys.sql). So its index stays small,
-- however many orders there are; an index over random user ids writes whole pages to the log once it is large.
CREATE TABLE order_keys (
    user_id    uuid        NOT NULL,
    key        text        NOT NULL,
    order_id   uuid        NOT NULL,
    body_hash  bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT order_keys_one_per_user PRIMARY KEY (user_id, key)
);
CREATE INDEX order_keys_by_age ON order_keys USING brin (created_at) WITH (autosummarize = on);

-- The same of orders of both forms. Until 0018 an order may be in both branches.
CREATE VIEW keys_of_orders AS
SELECT user_id, key, order_id, body_hash FROM order_keys
UNION ALL
SELECT user_id, idempotency_key, order_id, body_hash FROM orders WHERE idempotency_key IS NOT NULL;

CREATE VIEW order_documents AS
SELECT o.order_id, coalesce(o.items, (
    SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'seat_id', i.seat_id, 'area_id', i.area_id, 'area', i.area, 'row', i.row, 'number', i.number,
        'price', i.price, 'paid', i.paid,
        'accessible', CASE WHEN i.accessible IS NOT NULL THEN true END,
        'last_left', CASE WHEN i.accessible = 'last_left' THEN true END)) ORDER BY i.seat_id)
    FROM order_items i WHERE i.order_id = o.order_id)) AS items
FROM orders o;

-- A row an item, of orders of both forms.
CREATE VIEW placed_items AS
SELECT o.order_id, i.seat_id, i.area_id, i.area, i.row, i.number, i.price, i.accessible, i.paid
FROM orders o CROSS JOIN LATERAL (
    SELECT d.seat_id, d.area_id, d.area, d.row, d.number, d.price,
           CASE WHEN d.last_left THEN 'last_left' WHEN d.accessible THEN 'wanted' END AS accessible, d.paid
    FROM jsonb_to_recordset(o.items) AS d (seat_id int, area_id uuid, area text, "row" text, number int,
                                           price bigint, accessible boolean, last_left boolean, paid bigint)
    UNION ALL
    SELECT old.seat_id, old.area_id, old.area, old.row, old.number, old.price, old.accessible, old.paid
    FROM order_items old WHERE old.order_id = o.order_id AND o.items IS NULL
) AS i;

CREATE OR REPLACE VIEW items_in_force AS
SELECT i.order_id, i.seat_id, coalesce(i.paid, i.price) AS price
FROM placed_items i
WHERE NOT EXISTS (SELECT FROM refund_items r WHERE r.order_id = i.order_id
                  AND r.seat_id = i.seat_id AND r.effect = 'freed');

-- An order's history: its beginning is told by its row, the rest by order_events. The beginning is position 0, and
-- its event has the order's id.
CREATE VIEW order_history AS
SELECT o.order_id, h.position, h.event_id, h.type, h.time, h.request_id, h.data
FROM orders o CROSS JOIN LATERAL (
    SELECT 0::bigint AS position, o.order_id AS event_id, 'stampede.order.created.v1'::text AS type,
           o.created_at AS time, o.request_id,
           jsonb_build_object('seats', jsonb_path_query_array(o.items, '$[*].seat_id'),
                              'total_amount', o.total_amount, 'currency', o.currency)
           || coalesce((SELECT jsonb_build_object('promo_code', r.code, 'discount', r.discount,
                                                  'original_amount', o.total_amount + r.discount)
                        FROM promo_redemptions r WHERE r.order_id = o.order_id), '{}') AS data
    WHERE o.items IS NOT NULL
    UNION ALL
    SELECT e.position, e.event_id, e.type, e.time, e.request_id, e.data
    FROM order_events e WHERE e.order_id = o.order_id
      AND (o.items IS NULL OR e.type <> 'stampede.order.created.v1')
) AS h;

-- For older releases, which read items from order_items and an order's beginning from order_events.
CREATE FUNCTION older_form_of_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO order_items (order_id, seat_id, area_id, area, row, number, price, accessible, paid)
    SELECT p.order_id, i.seat_id, i.area_id, i.area, i.row, i.number, i.price, i.accessible, i.paid
    FROM placed p JOIN placed_items i USING (order_id) WHERE p.items IS NOT NULL;
    INSERT INTO order_events (order_id, event_id, type, request_id, data)
    SELECT order_id, order_id, 'stampede.order.created.v1', request_id,
           jsonb_build_object('seats', jsonb_path_query_array(items, '$[*].seat_id'),
                              'total_amount', total_amount, 'currency', currency)
    FROM placed WHERE items IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER orders_in_older_form AFTER INSERT ON orders
    REFERENCING NEW TABLE AS placed FOR EACH STATEMENT EXECUTE FUNCTION older_form_of_orders();

CREATE FUNCTION older_form_of_redemptions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE order_events e SET data = e.data || jsonb_build_object(
        'promo_code', r.code, 'discount', r.discount, 'original_amount', o.total_amount + r.discount)
    FROM redeemed r JOIN orders o USING (order_id)
    WHERE e.order_id = r.order_id AND e.type = 'stampede.order.created.v1' AND o.items IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER promo_redemptions_in_older_form AFTER INSERT ON promo_redemptions
    REFERENCING NEW TABLE AS redeemed FOR EACH STATEMENT EXECUTE FUNCTION older_form_of_redemptions();

-- So one key makes one order, whichever release has taken it and whichever is asked.
CREATE FUNCTION older_form_of_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE orders o SET idempotency_key = k.key, body_hash = k.body_hash
    FROM taken k WHERE o.order_id = k.order_id AND o.idempotency_key IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER order_keys_in_older_form AFTER INSERT ON order_keys
    REFERENCING NEW TABLE AS taken FOR EACH STATEMENT EXECUTE FUNCTION older_form_of_keys();

-- An older relay sends each row as one event: a row that stands for several becomes a row for each, with the ids
-- and the data that booking/events/unfolding.py gives them.
CREATE FUNCTION event_beside(event uuid, place int) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (left(event::text, 35)
        || to_hex(('x' || right(event::text, 1))::bit(4)::int # place))::uuid;

CREATE FUNCTION seats_by_area(items jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT jsonb_object_agg(a.area_id, a.seats) FROM (
    SELECT i ->> 'area_id' AS area_id, count(*) AS seats FROM jsonb_array_elements(items) AS i GROUP BY 1) AS a);

CREATE FUNCTION older_form_of_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM written WHERE type IN ('booking.order_placed', 'booking.order_sold')) THEN
        RETURN NULL;
    END IF;
    INSERT INTO outbox (event_id, type, subject, request_id, data, traceparent)
    SELECT event_beside(w.event_id, told.place), told.type, w.subject, w.request_id, told.data, w.traceparent
    FROM written w JOIN orders o ON o.order_id = w.subject::uuid CROSS JOIN LATERAL (VALUES
        (0, 'stampede.order.created.v1', jsonb_build_object(
            'order_id', o.order_id, 'order_no', o.order_no, 'user_id', o.user_id,
            'session_id', o.session_id, 'title', o.title, 'venue', o.venue,
            'starts_at', to_char(o.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
            'time_zone', o.time_zone, 'total_amount', o.total_amount, 'currency', o.currency,
            'expires_at', to_char(o.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
            'items', (SELECT jsonb_agg(i - 'paid' - 'last_left' ORDER BY place)
                      FROM jsonb_array_elements(o.items) WITH ORDINALITY AS each_item (i, place)))),
        (1, 'stampede.seats.held.v1', jsonb_build_object(
            'session_id', o.session_id, 'order_id', o.order_id,
            'seats', jsonb_path_query_array(o.items, '$[*].seat_id'), 'areas', seats_by_area(o.items)))
    ) AS told (place, type, data)
    WHERE w.type = 'booking.order_placed'
    UNION ALL
    SELECT event_beside(w.event_id, told.place), told.type, w.subject, w.request_id, told.data, w.traceparent
    FROM written w CROSS JOIN LATERAL (VALUES
        (0, 'stampede.order.paid.v1', w.data),
        (1, 'stampede.seats.sold.v1', jsonb_build_object(
            'session_id', w.data -> 'session_id', 'order_id', w.data -> 'order_id',
            'seats', jsonb_path_query_array(w.data, '$.items[*].seat_id'),
            'areas', seats_by_area(w.data -> 'items'))),
        (2, 'stampede.tickets.issued.v1', jsonb_build_object(
            'order_id', w.data -> 'order_id', 'user_id', w.data -> 'user_id',
            'session_id', w.data -> 'session_id', 'tickets', w.data -> 'tickets'))
    ) AS told (place, type, data)
    WHERE w.type = 'booking.order_sold';
    DELETE FROM outbox o USING written w
    WHERE o.position = w.position AND w.type IN ('booking.order_placed', 'booking.order_sold');
    RETURN NULL;
END
$$;
CREATE TRIGGER outbox_in_older_form AFTER INSERT ON outbox
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION older_form_of_events();
