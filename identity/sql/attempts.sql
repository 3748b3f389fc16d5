-- Failed logins by budget (the hash of an address, or of a known device), counted by GCRA: each failure
-- moves `settled_at` on by one spacing, from where it was or from now. As many failures as fit into the
-- window may come at once; then one per spacing. Addresses without an account count in the same way, or
-- the limit would show which addresses have one.

-- name: find_credentials^
-- Everything a login needs before it hashes, in one query. Always one row; user_id is NULL for an unknown
-- address. refused_for_s > 0: too many failures, retry after that many seconds.
SELECT a.user_id, a.password_hash, a.roles, a.active, a.password_version,
       COALESCE(extract(epoch FROM f.settled_at - now()), 0)::float8
           - (CAST(:window_s AS float8) - CAST(:spacing_s AS float8)) AS refused_for_s
FROM (VALUES (CAST(:email AS text), CAST(:budget AS bytea))) AS asked (email, budget)
LEFT JOIN accounts a ON a.email = asked.email
LEFT JOIN login_failures f ON f.email_hash = asked.budget;

-- name: count_failure!
-- Never beyond the window: even endless failures make the owner wait for one spacing only.
INSERT INTO login_failures AS f (email_hash, settled_at)
VALUES (:budget, now() + make_interval(secs => :spacing_s))
ON CONFLICT (email_hash) DO UPDATE
SET settled_at = least(
    greatest(f.settled_at, now()) + make_interval(secs => :spacing_s),
    now() + make_interval(secs => :window_s)
);

-- name: refused_for_s$
-- Checked again after a right password: another process may have reached the limit meanwhile.
SELECT extract(epoch FROM settled_at - now())::float8
           - (CAST(:window_s AS float8) - CAST(:spacing_s AS float8))
FROM login_failures
WHERE email_hash = :budget;

-- name: forget_failures!
DELETE FROM login_failures WHERE email_hash = :budget;

-- name: prune_failures!
DELETE FROM login_failures WHERE settled_at < now();
