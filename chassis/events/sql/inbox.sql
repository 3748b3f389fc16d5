-- The inbox and dead letters of a consuming schema, as chassis.events.inbox uses them.

-- name: enter^
-- `known`: those that were here before. The row is committed with the effect, so an event has both or neither.
-- In ascending order, so that two deliveries of the same events cannot deadlock. `some_wait`: whether any event
-- waits for a retry.
WITH entered AS (
    INSERT INTO inbox (event_id)
    SELECT id FROM unnest(:ids::uuid[]) AS id ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING event_id)
SELECT ARRAY(SELECT id FROM unnest(:ids::uuid[]) AS id EXCEPT SELECT event_id FROM entered) AS known,
       EXISTS (SELECT FROM dead_letters WHERE next_attempt IS NOT NULL) AS some_wait;

-- name: waiting_subjects
-- Subjects with an event that waits for a retry: their later events must wait behind it.
SELECT DISTINCT event ->> 'subject' AS subject
FROM dead_letters
WHERE next_attempt IS NOT NULL AND event ->> 'subject' = ANY(:subjects::text[]);

-- name: set_aside!
-- An event whose effect failed. It has an inbox row, so a redelivery does not try it too.
INSERT INTO dead_letters (event_id, event, reason, attempts, next_attempt, first_failed)
VALUES (:event_id, :event::jsonb, :reason, 1, now() + make_interval(secs => :delay_s::float8),
        clock_timestamp());

-- name: park!
-- Events behind one that was set aside, in order of arrival: not tried yet, due when that one is gone.
INSERT INTO dead_letters (event_id, event, reason, attempts, next_attempt, first_failed)
SELECT event_id, event, 'waits behind an earlier event of its subject', 0, now(), clock_timestamp()
FROM unnest(:ids::uuid[], :events::jsonb[]) WITH ORDINALITY AS parked (event_id, event, place)
ORDER BY place;

-- name: is_any_due$
-- Asked once a second, and nearly always there is none: then no transaction is begun.
SELECT EXISTS (SELECT FROM dead_letters WHERE next_attempt <= now());

-- name: lock_due_letter^
-- The next letter to try, in a transaction that ends with its effect or its failure. If order matters, only
-- the oldest of a subject that is not dead. SKIP LOCKED: another process is trying that one.
SELECT event_id, event ->> 'type' AS type, event, attempts
FROM dead_letters AS letter
WHERE next_attempt <= now()
  AND (NOT :ordered::boolean OR NOT EXISTS (
        SELECT 1 FROM dead_letters AS elder
        WHERE elder.next_attempt IS NOT NULL
          AND elder.event ->> 'subject' = letter.event ->> 'subject'
          AND (elder.first_failed, elder.event_id) < (letter.first_failed, letter.event_id)))
ORDER BY first_failed, event_id
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- name: letter_failed!
-- One more failure. Without a delay, the letter is dead until an operator sends it back.
UPDATE dead_letters
SET attempts = attempts + 1, reason = :reason, last_failed = now(),
    next_attempt = now() + make_interval(secs => :delay_s::float8)
WHERE event_id = :event_id;

-- name: drop_letter!
-- In the transaction of its effect.
DELETE FROM dead_letters WHERE event_id = :event_id;

-- name: prune_inbox!
-- No event can come back after this time, not even by a replay. Ids begin with their time, so the oldest
-- rows are at the start of the key, and newer rows are not read.
DELETE FROM inbox WHERE event_id IN (
    SELECT event_id FROM inbox WHERE event_id < :eldest::uuid ORDER BY event_id LIMIT :limit);

-- name: count_letters^
-- For the gauges.
SELECT count(*) FILTER (WHERE next_attempt IS NOT NULL) AS waiting,
       count(*) FILTER (WHERE next_attempt IS NULL) AS dead,
       coalesce(extract(epoch FROM now() - min(first_failed) FILTER (WHERE next_attempt IS NOT NULL)),
                0)::float8 AS oldest_waiting_s,
       coalesce(extract(epoch FROM now() - min(first_failed) FILTER (WHERE next_attempt IS NULL)),
                0)::float8 AS oldest_dead_s
FROM dead_letters;

-- name: list_letters
-- For `stampede dlq list`: dead ones first, oldest first.
SELECT event_id, event ->> 'type' AS type, event ->> 'subject' AS subject,
       event ->> 'requestid' AS request_id, reason, attempts, first_failed, last_failed, next_attempt
FROM dead_letters
ORDER BY next_attempt IS NOT NULL, first_failed
LIMIT :limit;

-- name: page_of_letters
-- Oldest first, after one of them; without a time, from the first. `itself`: that one too.
SELECT event_id, event ->> 'type' AS type, event ->> 'subject' AS subject,
       event ->> 'requestid' AS request_id, reason, attempts, first_failed, last_failed, next_attempt
FROM dead_letters
WHERE :since::timestamptz IS NULL
   OR (first_failed, event_id) > (:since::timestamptz, :event_id::uuid)
   OR (:itself::boolean AND first_failed = :since::timestamptz AND event_id = :event_id::uuid)
ORDER BY first_failed, event_id
LIMIT :limit;

-- name: find_letter^
SELECT event_id, event ->> 'type' AS type, event ->> 'subject' AS subject,
       event ->> 'requestid' AS request_id, reason, attempts, first_failed, last_failed, next_attempt
FROM dead_letters WHERE event_id = :event_id;

-- name: retry_letters!
-- Due now, with all their attempts again. Without ids: all dead ones.
UPDATE dead_letters SET attempts = 0, next_attempt = now()
WHERE CASE WHEN :ids::uuid[] IS NULL THEN next_attempt IS NULL ELSE event_id = ANY(:ids::uuid[]) END;

-- name: purge_letters!
-- Without ids: all dead ones. Their effects will never happen.
DELETE FROM dead_letters
WHERE CASE WHEN :ids::uuid[] IS NULL THEN next_attempt IS NULL ELSE event_id = ANY(:ids::uuid[]) END;
