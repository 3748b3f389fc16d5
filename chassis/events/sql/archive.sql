-- The archive of an emitting schema, as chassis.events.archive reads it; the relay writes it (outbox.sql).

-- name: forget$
-- How many days were emptied.
SELECT forget_archived(now() - make_interval(days => :days::int));

-- name: database_now$
SELECT now();

-- name: page_end$
-- Where the next so many rows of these days end: every look has its bound, whatever is wanted of it.
SELECT max(position) FROM (
    SELECT position FROM event_archive
    WHERE slot = ANY(:slots::smallint[]) AND position > :after
    ORDER BY position LIMIT :limit) AS page;

-- name: archived
SELECT event_id, type, subject, request_id, data, created_at
FROM event_archive
WHERE slot = ANY(:slots::smallint[]) AND position > :after AND position <= :last
  AND created_at >= :since AND created_at < :until AND type = ANY(:types::text[])
ORDER BY position;

-- name: slot$
SELECT archive_slot(:moment::timestamptz);
