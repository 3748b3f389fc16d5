-- Who may do what only one process does at a time, as chassis.postgres.leadership uses it.

-- name: try_lead$
-- Advisory locks are a database's, hence the name in the key. It goes when its connection does.
SELECT pg_try_advisory_lock(hashtextextended(:name, 7384));
