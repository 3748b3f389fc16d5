-- The outbox of an emitting schema, as chassis.events.relay reads it.

-- name: try_lead$
-- One relay a schema is active. The lock lives as long as its connection, so a dead relay's goes
-- with it. Advisory locks are a database's, hence the schema in the key.
SELECT pg_try_advisory_lock(hashtextextended('outbox relay of ' || current_schema(), 7383));

-- name: undelivered
-- What is still here is what is undelivered. No `position > cursor`: numbers are drawn before their
-- transactions commit, so a lower one may appear after a higher one has gone out.
SELECT position, event_id, type, subject, request_id, data, created_at
FROM outbox
ORDER BY position
LIMIT :limit;

-- name: delete_delivered!
-- By exact position: rows committed since the read stay for the next one.
DELETE FROM outbox WHERE position = ANY(:positions::bigint[]);

-- name: archive_delivered!
-- The same for a schema that keeps what was delivered: moved, not deleted, at the price of one more
-- row. A position comes once only, even if two relays were at it.
WITH delivered AS (
    DELETE FROM outbox WHERE position = ANY(:positions::bigint[])
    RETURNING position, event_id, type, subject, request_id, data, created_at
)
INSERT INTO event_archive (slot, position, event_id, type, subject, request_id, data, created_at)
SELECT archive_slot(created_at), position, event_id, type, subject, request_id, data, created_at
FROM delivered;

-- name: backlog^
-- For the gauges. Bounded, so that looking at a long queue does not make it longer.
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT 10000) AS counted) AS depth,
       coalesce((SELECT extract(epoch FROM now() - created_at)
                 FROM outbox ORDER BY position LIMIT 1), 0)::float8 AS age_s;
