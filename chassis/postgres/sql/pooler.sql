-- What chassis.postgres.pooler asks through a connection, to learn where it leads.

-- name: own_pid$
SELECT pg_backend_pid();

-- name: whereabouts^
SELECT current_database() AS database, pg_postmaster_start_time() AS started;

-- name: session_settings^
SELECT current_setting('search_path') AS search_path, current_setting('statement_timeout') AS statement_timeout;

-- name: is_prepared$
SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE name = :name);
