-- The floor of the relay's reads, as chassis.events.floor moves it.

-- name: writers
-- Transactions that may have drawn a position and not ended. Readers, dumps and vacuum have other locks.
SELECT virtualtransaction AS writer
FROM pg_locks
WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND relation = 'outbox'::regclass
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: read_by_key^
-- For the session that reads; see there.
SELECT set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false);
