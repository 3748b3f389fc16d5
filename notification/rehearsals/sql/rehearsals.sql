-- The events of a rehearsal, by their ids.

-- name: count_taken$
SELECT count(*) FROM inbox WHERE event_id = ANY(:event_ids::uuid[]);

-- name: forget_events!
DELETE FROM inbox WHERE event_id = ANY(:event_ids::uuid[]);

-- name: forget_failed_events!
DELETE FROM dead_letters WHERE event_id = ANY(:event_ids::uuid[]);
