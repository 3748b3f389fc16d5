-- The inbox and dead letters of a consuming schema, as chassis.events.inbox uses them.

-- name: enter
-- Which of these are new here: the row commits with the effect, so an event has both or neither.
-- In ascending order, so that two deliveries of the same events cannot deadlock.
INSERT INTO inbox (event_id)
SELECT id FROM unnest(:ids::uuid[]) AS id ORDER BY id
ON CONFLICT DO NOTHING
RETURNING event_id;

-- name: waiting_subjects
-- Subjects with an event that is still to be tried again: theirs must wait behind it.
SELECT DISTINCT event ->> 'subject' AS subject
FROM dead_letters
WHERE next_attempt IS NOT NULL AND event ->> 'subject' = ANY(:subjects::text[]);

-- name: set_aside!
-- An event whose effect failed. Its inbox row is there, so a redelivery does not try it as well.
INSERT INTO dead_letters (event_id, event, reason, attempts, next_attempt, first_failed)
VALUES (:event_id, :event::jsonb, :reason, 1, now() + make_interval(secs => :delay_s::float8),
        clock_timestamp());

-- name: park!
-- Events behind one that was set aside, in the order they came: never tried yet, due when it is gone.
INSERT INTO dead_letters (event_id, event, reason, attempts, next_attempt, first_failed)
SELECT event_id, event, 'waits behind an earlier event of its subject', 0, now(), clock_timestamp()
FROM unnest(:ids::uuid[], :events::jsonb[]) WITH ORDINALITY AS parked (event_id, event, place)
ORDER BY place;

-- name: lock_due_letter^
-- The next one to try, in a transaction that ends with its effect or its failure. Where order counts
-- only the eldest of a subject that is not given up. SKIP LOCKED: somebody tries that one right now.
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
-- One more failure; without a delay it is dead until an operator sends it back.
UPDATE dead_letters
SET attempts = attempts + 1, reason = :reason, last_failed = now(),
    next_attempt = now() + make_interval(secs => :delay_s::float8)
WHERE event_id = :event_id;

-- name: drop_letter!
-- In the transaction of its effect.
DELETE FROM dead_letters WHERE event_id = :event_id;

-- name: prune_inbox!
-- Nothing brings an event back after so long, not even a replay. Ids begin with their time, so the
-- oldest are at the beginning of the key, and what is not that old is not looked at.
DELETE FROM inbox WHERE event_id IN (
    SELECT event_id FROM inbox WHERE event_id < :eldest::uuid ORDER BY event_id LIMIT :limit);

-- name: count_letters^
-- For the gauges.
SELECT count(*) FILTER (WHERE next_attempt IS NOT NULL) AS waiting,
       count(*) FILTER (WHERE next_attempt IS NULL) AS dead
FROM dead_letters;

-- name: list_letters
-- For `stampede dlq list`: the given-up first, oldest first.
SELECT event_id, event ->> 'type' AS type, event ->> 'subject' AS subject,
       event ->> 'requestid' AS request_id, reason, attempts, first_failed, last_failed, next_attempt
FROM dead_letters
ORDER BY next_attempt IS NOT NULL, first_failed
LIMIT :limit;

-- name: retry_letters!
-- Due now, with all attempts before them again. Without ids: all that are given up.
UPDATE dead_letters SET attempts = 0, next_attempt = now()
WHERE CASE WHEN :ids::uuid[] IS NULL THEN next_attempt IS NULL ELSE event_id = ANY(:ids::uuid[]) END;

-- name: purge_letters!
-- Without ids: all that are given up. Their effects will never happen.
DELETE FROM dead_letters
WHERE CASE WHEN :ids::uuid[] IS NULL THEN next_attempt IS NULL ELSE event_id = ANY(:ids::uuid[]) END;
