-- Leadership, as chassis.postgres.leadership uses it.

-- name: try_lead$
-- Advisory locks belong to a database, so the key contains the name. The lock ends with its connection.
SELECT pg_try_advisory_lock(hashtextextended(:name, 7384));
