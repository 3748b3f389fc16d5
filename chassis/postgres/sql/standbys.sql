-- What the primary knows of its standbys.

-- name: standbys
-- A role without pg_monitor sees that they are there, and NULL for the rest.
SELECT coalesce(application_name, 'unknown') AS name, coalesce(state, 'unknown') AS state,
       coalesce(sync_state, 'unknown') AS sync_state,
       CASE WHEN pg_is_in_recovery() THEN NULL
            ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) END AS lag_bytes,
       coalesce(extract(epoch FROM replay_lag), 0)::float8 AS lag_s
FROM pg_stat_replication
ORDER BY application_name
LIMIT :limit;
