-- Failed logins by budget (the hash of an address, or of a known device), counted as GCRA does: each failure pushes `settled_at` on by one spacing
-- from where it was, or from now. As many failures as fit into the window may come at once; from
-- then on one a spacing. Addresses without an account are counted alike, or the limit would tell
-- which ones have one.

-- name: find_credentials^
-- All that a login needs to know before it hashes, in one question. Always one row; user_id is NULL
-- for an unknown address. refused_for_s > 0: too many failures, come back after as many seconds.
SELECT a.user_id, a.password_hash, a.roles, a.active, a.password_version,
       COALESCE(extract(epoch FROM f.settled_at - now()), 0)::float8
           - (CAST(:window_s AS float8) - CAST(:spacing_s AS float8)) AS refused_for_s
FROM (VALUES (CAST(:email AS text), CAST(:budget AS bytea))) AS asked (email, budget)
LEFT JOIN accounts a ON a.email = asked.email
LEFT JOIN login_failures f ON f.email_hash = asked.budget;

-- name: count_failure!
-- Never further than the window: whoever fails without end makes nobody wait for more than a spacing.
INSERT INTO login_failures AS f (email_hash, settled_at)
VALUES (:budget, now() + make_interval(secs => :spacing_s))
ON CONFLICT (email_hash) DO UPDATE
SET settled_at = least(
    greatest(f.settled_at, now()) + make_interval(secs => :spacing_s),
    now() + make_interval(secs => :window_s)
);

-- name: refused_for_s$
-- Asked again once a password was right: another process may have filled up the limit meanwhile.
SELECT extract(epoch FROM settled_at - now())::float8
           - (CAST(:window_s AS float8) - CAST(:spacing_s AS float8))
FROM login_failures
WHERE email_hash = :budget;

-- name: forget_failures!
DELETE FROM login_failures WHERE email_hash = :budget;

-- name: prune_failures!
DELETE FROM login_failures WHERE settled_at < now();
