-- name: insert_login^
-- A new family with its first refresh token. All times are PostgreSQL's.
WITH login AS (
    INSERT INTO logins (login_id, user_id, expires_at)
    VALUES (:login_id, :user_id, now() + make_interval(secs => :family_ttl_s))
    RETURNING login_id, expires_at
)
INSERT INTO refresh_tokens (token_hash, login_id, expires_at)
SELECT :token_hash, login_id, least(expires_at, now() + make_interval(secs => :idle_ttl_s))
FROM login
RETURNING extract(epoch FROM now())::float8 AS now_s;

-- name: lock_login_of_token^
-- Locks the family of a refresh token, so that changes to one family run one at a time.
SELECT l.login_id, l.user_id, l.revoked_for, l.expires_at <= now() AS expired, a.roles, a.active
FROM logins l
JOIN accounts a ON a.user_id = l.user_id
WHERE l.login_id = (SELECT login_id FROM refresh_tokens WHERE token_hash = :token_hash)
FOR NO KEY UPDATE OF l;

-- name: spend_refresh_token$
-- Compare-and-set: the first request that finds the token unused uses it. No row: used before, or expired.
UPDATE refresh_tokens SET used_at = now()
WHERE token_hash = :token_hash AND used_at IS NULL AND expires_at > now()
RETURNING login_id;

-- name: refresh_token_was_used$
SELECT used_at IS NOT NULL FROM refresh_tokens WHERE token_hash = :token_hash;

-- name: insert_refresh_token^
INSERT INTO refresh_tokens (token_hash, login_id, expires_at)
SELECT :token_hash, login_id, least(expires_at, now() + make_interval(secs => :idle_ttl_s))
FROM logins
WHERE login_id = :login_id
RETURNING extract(epoch FROM now())::float8 AS now_s;

-- name: revoke_login$
-- clock_timestamp(): the revocation must also cover a token signed while this waited for its lock. The
-- first reason stays. No row: there is no such login (any more).
UPDATE logins
SET revoked_at = COALESCE(revoked_at, clock_timestamp()),
    revoked_for = COALESCE(revoked_for, :reason),
    revoked_until = COALESCE(revoked_until, clock_timestamp() + make_interval(secs => :until_s))
WHERE login_id = :login_id AND user_id = :user_id
RETURNING login_id;

-- name: list_revoked_logins
-- All logins that a gateway must refuse now, from the partial index.
SELECT login_id, revoked_until
FROM logins
WHERE revoked_until > now()
ORDER BY revoked_until;

-- name: prune_logins!
-- A day after a family has ended, all its access tokens have expired. Its refresh tokens are deleted with
-- it. In portions, so that no statement locks many rows for long.
DELETE FROM logins
WHERE login_id IN (
    SELECT login_id FROM logins
    WHERE expires_at < now() - interval '1 day'
    ORDER BY expires_at
    LIMIT :portion
);
