-- A schema's own list of migrations, as chassis.postgres.migrations uses it.

-- name: try_migrator$
-- One migrator at a time in a database, whatever its schema. Processes from before ADR 55 take the same lock.
-- It is tried, not waited for: a statement that waits keeps a snapshot, and CREATE INDEX CONCURRENTLY waits for
-- the end of all older snapshots.
SELECT pg_try_advisory_lock(7382001);

-- name: has_migrations$
SELECT to_regclass('migrations') IS NOT NULL;

-- name: has_needs$
-- False for a list made before ADR 55.
SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('migrations') AND attname = 'needs'
               AND NOT attisdropped);

-- name: applied
-- Read as JSON: lists from before ADR 55 have no column `needs`.
SELECT name, digest, (to_jsonb(m)->>'needs')::int AS needs FROM migrations m;

-- name: record!
INSERT INTO migrations (name, digest, needs) VALUES (:name, :digest, :needs);

-- name: is_invalid_index$
-- What a CREATE INDEX CONCURRENTLY leaves that was cut off.
SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(:index) AND NOT indisvalid);
