-- What is done to notification's data, and undone.

-- name: put_dead_letter!
-- As if an event had failed for the first time eleven minutes ago, and had been given up.
INSERT INTO dead_letters (event_id, event, reason, attempts, first_failed, next_attempt)
VALUES (:event_id, '{}', 'made by loadtest.alerts', 8, now() - interval '11 minutes', NULL);

-- name: close_dead_letter!
DELETE FROM dead_letters WHERE event_id = :event_id;
