-- Resetting and changing passwords.

-- name: ask_for_link^
-- One statement and one commit, and always a row: known and unknown addresses take the same time. Mails
-- count as failed logins do (attempts.sql), except that refused requests do not count. The event contains
-- neither address nor token: the link is created when its mail is written.
WITH account AS (
    SELECT user_id FROM accounts WHERE email = :email AND active
), counted AS (
    INSERT INTO password_mails AS m (email_hash, settled_at)
    VALUES (:email_hash, now() + make_interval(secs => :spacing_s))
    ON CONFLICT (email_hash) DO UPDATE
    SET settled_at = greatest(m.settled_at, now()) + make_interval(secs => :spacing_s)
    WHERE greatest(m.settled_at, now()) + make_interval(secs => :spacing_s)
        <= now() + make_interval(secs => :window_s)
    RETURNING email_hash
), asked AS (
    INSERT INTO password_resets (user_id, reset_id)
    SELECT user_id, :reset_id FROM account, counted
    ON CONFLICT (user_id) DO UPDATE
    SET reset_id = excluded.reset_id, asked_at = now(), token_hash = NULL, ends_at = NULL
    RETURNING user_id, reset_id
), told AS (
    INSERT INTO outbox (event_id, type, subject, request_id, data, traceparent)
    SELECT :event_id, :type, user_id::text, :request_id,
           jsonb_build_object('user_id', user_id, 'reset_id', reset_id), :traceparent::text
    FROM asked
    RETURNING event_id
)
SELECT (SELECT user_id FROM account) AS user_id, EXISTS (SELECT FROM counted) AS allowed;

-- name: make_link$
-- The link's time starts here, when its mail is written. If the mail is written again, so is the link.
-- No row: the request is too old, was used, or was replaced by a newer one.
UPDATE password_resets
SET token_hash = :token_hash, ends_at = now() + make_interval(secs => :ttl_s)
WHERE reset_id = :reset_id AND asked_at > now() - make_interval(secs => :ttl_s)
RETURNING user_id;

-- name: find_link^
-- Checked before anything is hashed.
SELECT a.user_id, a.email
FROM password_resets r
JOIN accounts a ON a.user_id = r.user_id AND a.active
WHERE r.token_hash = :token_hash AND r.ends_at > now();

-- name: use_link$
-- Compare-and-set: of two uses at once, one gets no row.
DELETE FROM password_resets
WHERE token_hash = :token_hash AND ends_at > now()
RETURNING user_id;

-- name: forget_links!
DELETE FROM password_resets WHERE user_id = :user_id;

-- name: set_password^
-- `version`: of the password that verified the caller; NULL for a link. No row: the password was changed
-- meanwhile, or the account is closed. The row's lock lets one transaction at a time end the logins.
UPDATE accounts
SET password_hash = :password_hash, password_version = password_version + 1
WHERE user_id = :user_id
  AND active
  AND (CAST(:version AS int) IS NULL OR password_version = CAST(:version AS int))
RETURNING email, roles, password_version;

-- name: hold_password$
-- True if the account still has the password that verified the caller. It cannot change until this
-- transaction ends. So a login with the old password either begins before the change, which ends it, or fails.
SELECT true FROM accounts
WHERE user_id = :user_id AND active AND password_version = :version
FOR SHARE;

-- name: revoke_logins
-- Like `revoke_login`, for all logins but one (NULL: all). `live`: one of its access tokens may still be valid.
UPDATE logins l
SET revoked_at = clock_timestamp(),
    revoked_for = :reason,
    revoked_until = clock_timestamp() + make_interval(secs => :until_s)
WHERE l.user_id = :user_id
  AND l.login_id IS DISTINCT FROM CAST(:kept AS uuid)
  AND l.revoked_at IS NULL
  AND l.expires_at > now() - make_interval(secs => :until_s)
RETURNING l.login_id, EXISTS (
    SELECT FROM refresh_tokens t
    WHERE t.login_id = l.login_id
      AND t.issued_at > now() - make_interval(secs => :until_s)
) AS live;

-- name: insert_event!
INSERT INTO outbox (event_id, type, subject, request_id, data, traceparent)
VALUES (:event_id, :type, :subject, :request_id, :data, :traceparent);

-- name: get_device_key$
SELECT secret FROM device_key;

-- name: prune_links!
DELETE FROM password_resets WHERE asked_at < now() - interval '1 day';

-- name: prune_mail_counts!
DELETE FROM password_mails WHERE settled_at < now();
