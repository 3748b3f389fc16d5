-- What a replayed answer needs, as chassis.postgres.replicated uses it.

-- name: commit_something$
-- A transactional message of nothing: it touches no table, and its commit waits like any other. Everything
-- that this session has seen was logged before it, so it is on the standby when the commit returns.
SELECT pg_logical_emit_message(true, 'stampede', '');

-- name: commit_settings^
SELECT current_setting('synchronous_commit') AS waits_for,
       current_setting('synchronous_standby_names') AS standbys;
