-- name: insert_account$
-- No row: the address is taken. Of two registrations at once, one gets no row.
INSERT INTO accounts (user_id, email, password_hash, full_name, locale, roles)
VALUES (:user_id, :email, :password_hash, :full_name, :locale, :roles)
ON CONFLICT (email) DO NOTHING
RETURNING user_id;

-- name: email_is_taken$
-- Checked before hashing, so that a taken address costs no hash. The insert decides.
SELECT EXISTS (SELECT FROM accounts WHERE email = :email);

-- name: find_account^
-- For callers that know a person by address (staff of a door, the recipient of a ticket). The address is
-- normalised.
SELECT user_id, email, full_name, phone, locale, roles, active
FROM accounts
WHERE email = :email;

-- name: get_accounts
-- For orders and messages, many at once.
SELECT user_id, email, full_name, phone, locale, roles, active
FROM accounts
WHERE user_id = ANY(:user_ids::uuid[]);

-- name: get_own_account^
-- The owner's profile. No row for a token whose login has ended.
SELECT a.user_id, a.email, a.full_name, a.phone, a.locale, a.roles, a.active
FROM accounts a
JOIN logins l ON l.user_id = a.user_id
WHERE a.user_id = :user_id
  AND l.login_id = :login_id
  AND l.revoked_at IS NULL
  AND a.active;

-- name: change_account^
-- NULL leaves a column unchanged. A phone number can be removed, so it has a flag.
UPDATE accounts a
SET full_name = COALESCE(CAST(:full_name AS text), a.full_name),
    locale = COALESCE(CAST(:locale AS text), a.locale),
    phone = CASE WHEN CAST(:set_phone AS boolean) THEN CAST(:phone AS text) ELSE a.phone END
FROM logins l
WHERE a.user_id = :user_id
  AND l.login_id = :login_id
  AND l.user_id = a.user_id
  AND l.revoked_at IS NULL
  AND a.active
RETURNING a.user_id, a.email, a.full_name, a.phone, a.locale, a.roles, a.active;

-- name: replace_password_hash!
-- Compare-and-set: replaces a hash with old parameters, but not a password that changed meanwhile.
UPDATE accounts SET password_hash = :new_hash
WHERE user_id = :user_id AND password_hash = :old_hash;

-- name: password_hash_of$
SELECT password_hash FROM accounts WHERE email = :email;

-- name: add_role$
-- No row: there is no such account, or it has the role already.
UPDATE accounts SET roles = array_append(roles, CAST(:role AS text))
WHERE email = :email AND NOT roles @> ARRAY[CAST(:role AS text)]
RETURNING user_id;

-- name: accounts_named
-- Buyers of load tests: their addresses begin with a prefix and end with a domain that nobody can register, and no
-- password opens them.
SELECT user_id FROM accounts
WHERE starts_with(email, :prefix) AND email LIKE '%@buyers.invalid' AND password_hash = :unusable
ORDER BY user_id;

-- name: delete_accounts!
DELETE FROM accounts WHERE user_id = ANY(:user_ids::uuid[]);

-- name: lock_registration_key$
-- Held until the transaction ends. A process that dies releases it.
SELECT pg_try_advisory_xact_lock(
    hashtextextended(encode(CAST(:caller_hash AS bytea), 'hex') || CAST(:key AS text), 7383)
);

-- name: find_registration^
-- The request that used this client's Idempotency-Key.
SELECT user_id, body_hash FROM registrations
WHERE caller_hash = :caller_hash AND key = :key;

-- name: insert_registration!
INSERT INTO registrations (caller_hash, key, body_hash, user_id)
VALUES (:caller_hash, :key, :body_hash, :user_id);

-- name: prune_registrations!
-- Twice as long as API.md promises (24 h).
DELETE FROM registrations WHERE created_at < now() - interval '48 hours';
