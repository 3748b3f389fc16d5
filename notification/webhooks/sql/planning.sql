-- Which events are stored for sending, and to which endpoints they go.

-- name: heard_types
-- One query a batch of events, with the few types in it. Usually no endpoint subscribes, and nothing more is
-- done.
SELECT wanted.type FROM unnest(:types::text[]) AS wanted (type)
WHERE EXISTS (SELECT 1 FROM webhook_endpoints p
              WHERE p.active AND p.event_types @> ARRAY[wanted.type]);

-- name: keep_events
-- In the transaction of the inbox row. Of a known session it stores only events with a subscriber; of an
-- unknown session all of them, until catalog has told its organizer (see route_events).
INSERT INTO webhook_events (event_id, type, session_id, request_id, happened_at, body, traceparent,
                            routed)
SELECT e.event_id, e.type, e.session_id, e.request_id, e.happened_at, e.body, e.traceparent,
       s.session_id IS NOT NULL
FROM unnest(:event_ids::uuid[], :types::text[], :session_ids::uuid[], :request_ids::text[],
            :times::timestamptz[], :bodies::text[], :traces::text[])
     AS e (event_id, type, session_id, request_id, happened_at, body, traceparent)
LEFT JOIN LATERAL (
    SELECT session_id FROM webhook_sessions WHERE session_id = e.session_id OFFSET 0) AS s ON true
WHERE s.session_id IS NULL OR EXISTS (
    SELECT 1 FROM webhook_audience a
    WHERE a.session_id = e.session_id AND e.type = ANY(a.event_types))
ORDER BY e.event_id
ON CONFLICT DO NOTHING
RETURNING event_id, routed;

-- name: matches
-- Not to endpoints that are newer than the event: if an operator sends an old event again, new subscribers do
-- not get it. The two times may be from two databases, hence the allowed skew.
SELECT e.event_id, a.endpoint_id
FROM webhook_events e JOIN webhook_audience a USING (session_id)
WHERE e.event_id = ANY(:event_ids::uuid[]) AND e.type = ANY(a.event_types)
  AND a.created_at <= e.happened_at + make_interval(secs => :skew_s::float8)
ORDER BY e.event_id, a.endpoint_id;

-- name: insert_deliveries!
-- The constraint ensures one delivery for an endpoint and event.
INSERT INTO webhook_deliveries (delivery_id, endpoint_id, event_id)
SELECT * FROM unnest(:delivery_ids::uuid[], :endpoint_ids::uuid[], :event_ids::uuid[])
ON CONFLICT ON CONSTRAINT webhook_deliveries_one_by_endpoint_and_event DO NOTHING;

-- name: waiting_sessions
-- Sessions of the oldest waiting events, and whether their organizer is known.
SELECT DISTINCT waiting.session_id, s.session_id IS NOT NULL AS known
FROM (SELECT session_id FROM webhook_events WHERE NOT routed ORDER BY created_at LIMIT :limit) AS waiting
LEFT JOIN webhook_sessions s USING (session_id);

-- name: learn_session!
INSERT INTO webhook_sessions (session_id, show_id, organizer_id)
VALUES (:session_id, :show_id, :organizer_id)
ON CONFLICT DO NOTHING;

-- name: forget_session!
-- Catalog does not know the session, so its events have no receiver.
DELETE FROM webhook_events WHERE NOT routed AND session_id = :session_id;

-- name: route_events
-- Marked in the transaction that writes their deliveries. SKIP LOCKED: another process routes the others.
UPDATE webhook_events SET routed = true
WHERE event_id IN (
    SELECT e.event_id FROM webhook_events e JOIN webhook_sessions s USING (session_id)
    WHERE NOT e.routed
    ORDER BY e.created_at
    LIMIT :limit
    FOR UPDATE OF e SKIP LOCKED)
RETURNING event_id;

-- name: drop_unheard!
-- Deletes routed events without deliveries.
DELETE FROM webhook_events e
WHERE e.event_id = ANY(:event_ids::uuid[])
  AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = e.event_id);
