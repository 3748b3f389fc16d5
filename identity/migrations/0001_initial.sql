-- Accounts, logins and the keys that sign their tokens.

CREATE TABLE accounts (
    user_id       uuid PRIMARY KEY,
    email         text NOT NULL,          -- normalised: identity.domain.people.normalise_email
    password_hash text NOT NULL,          -- argon2id in PHC form; '!' can never be verified
    full_name     text NOT NULL,
    phone         text,
    locale        text NOT NULL,
    roles         text[] NOT NULL,
    active        boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT accounts_one_per_email UNIQUE (email),
    CONSTRAINT accounts_email_is_normalised CHECK (email = lower(btrim(email))),
    CONSTRAINT accounts_locale_is_known CHECK (locale IN ('zh', 'en')),
    CONSTRAINT accounts_roles_are_known CHECK (
        cardinality(roles) > 0
        AND roles <@ ARRAY['customer', 'organizer', 'staff', 'admin']
    )
);

-- A login: one family of refresh tokens (RFC 9700, 4.14.2) and all access tokens with its id as `sid`.
CREATE TABLE logins (
    login_id      uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,   -- absolute: no refresh moves it
    revoked_at    timestamptz,
    revoked_for   text,
    revoked_until timestamptz,            -- when the last access token of it has expired by itself
    CONSTRAINT logins_revoked_wholly_or_not CHECK (
        (revoked_at IS NULL) = (revoked_for IS NULL)
        AND (revoked_at IS NULL) = (revoked_until IS NULL)
    ),
    CONSTRAINT logins_revoked_for_a_known_reason CHECK (revoked_for IN ('logout', 'reuse'))
);
CREATE INDEX logins_by_user ON logins (user_id);
CREATE INDEX logins_by_end ON logins (expires_at);
CREATE INDEX logins_revoked ON logins (revoked_until) WHERE revoked_until IS NOT NULL;

CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY,         -- SHA-256: 256 random bits need no slow hash
    login_id   uuid NOT NULL REFERENCES logins ON DELETE CASCADE,
    issued_at  timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,      -- idle: a login not refreshed until then has ended
    used_at    timestamptz                -- set once; a second use revokes the login
);
CREATE INDEX refresh_tokens_by_login ON refresh_tokens (login_id);

CREATE TABLE signing_keys (
    kid         text PRIMARY KEY,         -- RFC 7638 thumbprint
    private_key bytea NOT NULL,           -- Ed25519, 32 bytes (RFC 8032, 5.1.5)
    public_key  bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    signs_from  timestamptz NOT NULL,     -- published before: verifiers fetch it meanwhile
    retires_at  timestamptz,              -- published until: its last token has expired then
    CONSTRAINT signing_keys_are_ed25519 CHECK (
        octet_length(private_key) = 32 AND octet_length(public_key) = 32
    )
);

-- Failed logins by address, known or not, as one instant a row (GCRA): see sql/attempts.sql.
CREATE TABLE login_failures (
    email_hash bytea PRIMARY KEY,
    settled_at timestamptz NOT NULL       -- when all its failures will have been forgotten
);
CREATE INDEX login_failures_by_end ON login_failures (settled_at);

-- Idempotency keys of registrations, which have no user yet whom a key could be scoped to.
CREATE TABLE registrations (
    key        text PRIMARY KEY,
    body_hash  bytea NOT NULL,            -- of e-mail and name; the password is verified instead
    user_id    uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX registrations_by_age ON registrations (created_at);
CREATE INDEX registrations_by_user ON registrations (user_id);
