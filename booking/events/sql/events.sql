-- name: record_and_publish!
-- Appends to the history and to the outbox, in the transaction of the change that they describe.
WITH remembered AS (
    INSERT INTO order_events (order_id, event_id, type, request_id, data)
    SELECT h.order_id, h.event_id, h.type, h.request_id, h.data::jsonb
    FROM unnest(:history_orders::uuid[], :history_ids::uuid[], :history_types::text[],
                :history_requests::text[], :history_data::text[])
         WITH ORDINALITY AS h (order_id, event_id, type, request_id, data, place)
    ORDER BY h.place
)
INSERT INTO outbox (event_id, type, subject, request_id, data, traceparent)
SELECT e.event_id, e.type, e.subject, e.request_id, e.data::jsonb, e.traceparent
FROM unnest(:event_ids::uuid[], :event_types::text[], :event_subjects::text[],
            :event_requests::text[], :event_data::text[], :event_traces::text[])
     WITH ORDINALITY AS e (event_id, type, subject, request_id, data, traceparent, place)
ORDER BY e.place;

-- name: placed_orders
-- What the events of these orders' beginnings tell (booking/events/unfolding.py). None of it ever changes.
SELECT order_id, order_no, user_id, session_id, title, venue, date_trunc('second', starts_at) AS starts_at,
       time_zone, items::text AS items, total_amount, currency,
       date_trunc('second', expires_at) AS expires_at
FROM orders WHERE order_id = ANY(:orders::uuid[]);

-- name: past_orders
-- The rows of the outbox that said that these orders were placed, as they were. By the primary key: ids begin
-- with their time. Orders whose items are elsewhere were placed by a release that archived their events.
SELECT order_id AS event_id, :placed_type AS type, order_id::text AS subject, request_id, '{}' AS data,
       created_at
FROM orders
WHERE order_id >= :eldest AND order_id < :end AND created_at >= :since AND created_at < :until
  AND items IS NOT NULL
ORDER BY order_id
LIMIT :limit;
