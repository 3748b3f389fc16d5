-- The outbox of an emitting schema, as chassis.events.relay reads it.

-- name: try_lead$
-- One relay per schema is active. The lock lives as long as its connection, so a dead relay loses it.
-- Advisory locks belong to a database, so the key contains the schema.
SELECT pg_try_advisory_lock(hashtextextended('outbox relay of ' || current_schema(), 7383));

-- name: undelivered
-- Rows that are still here are undelivered. No `position > cursor`: numbers are assigned before their
-- transactions commit, so a lower one may appear after a higher one was sent. Below the floor none can
-- appear (chassis.events.floor).
SELECT position, event_id, type, subject, request_id, data, created_at, traceparent
FROM outbox
WHERE position >= :floor
ORDER BY position
LIMIT :limit;

-- name: delete_delivered!
-- By exact position: rows committed since the read stay for the next round.
DELETE FROM outbox WHERE position = ANY(:positions::bigint[]);

-- name: archive_delivered!
-- The same for a schema with an archive: rows are moved instead of deleted, which costs one more row each. Not
-- those whose types the service can tell again from its own tables (chassis.events.unfolding). A position is
-- archived once, even if two relays deliver it.
WITH delivered AS (
    DELETE FROM outbox WHERE position = ANY(:positions::bigint[])
    RETURNING position, event_id, type, subject, request_id, data, created_at
)
INSERT INTO event_archive (slot, position, event_id, type, subject, request_id, data, created_at)
SELECT archive_slot(created_at), position, event_id, type, subject, request_id, data, created_at
FROM delivered WHERE type <> ALL(:unarchived::text[]);

-- name: backlog^
-- For the gauges. Bounded, so that measuring a long queue does not make it longer.
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox WHERE position >= :floor LIMIT 10000) AS counted)
           AS depth,
       coalesce((SELECT extract(epoch FROM now() - created_at)
                 FROM outbox WHERE position >= :floor ORDER BY position LIMIT 1), 0)::float8 AS age_s;

-- name: backlog_by_type
-- The same by type, for the consumers of each.
SELECT type, count(*) AS events
FROM (SELECT type FROM outbox WHERE position >= :floor LIMIT 10000) AS counted
GROUP BY type;
