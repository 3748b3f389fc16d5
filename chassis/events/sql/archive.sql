-- The archive of an emitting schema, as chassis.events.archive reads it; the relay writes it (outbox.sql).

-- name: forget$
-- Returns the number of days emptied.
SELECT forget_archived(now() - make_interval(days => :days::int));

-- name: database_now$
SELECT now();

-- name: page_end$
-- The end of the next page of these days' rows, so that every read is bounded, whatever it selects.
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
