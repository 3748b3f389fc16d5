-- Changing and resetting passwords, and what knows a device again.

-- Counts changes of the password (not a hash made anew with other parameters), so that whoever was
-- verified by the old one can be told from whoever knows the new one.
ALTER TABLE accounts ADD COLUMN password_version int NOT NULL DEFAULT 0;

ALTER TABLE logins DROP CONSTRAINT logins_revoked_for_a_known_reason;
ALTER TABLE logins ADD CONSTRAINT logins_revoked_for_a_known_reason
    CHECK (revoked_for IN ('logout', 'reuse', 'password'));

-- One an account: whoever asks again has the newer one in the place of the older, whose link is dead.
-- asked → link made (when its mail is written) → used: the row goes.
CREATE TABLE password_resets (
    user_id    uuid PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    reset_id   uuid NOT NULL,             -- random: who knows it may have the link made
    asked_at   timestamptz NOT NULL DEFAULT now(),
    token_hash bytea,                     -- SHA-256: 256 random bits need no slow hash
    ends_at    timestamptz,
    CONSTRAINT password_resets_one_by_id UNIQUE (reset_id),
    CONSTRAINT password_resets_one_by_token UNIQUE (token_hash),
    CONSTRAINT password_resets_made_wholly_or_not CHECK ((token_hash IS NULL) = (ends_at IS NULL))
);
CREATE INDEX password_resets_by_age ON password_resets (asked_at);

-- Mails with links by address, known or not, as one instant a row (GCRA): see sql/passwords.sql.
CREATE TABLE password_mails (
    email_hash bytea PRIMARY KEY,
    settled_at timestamptz NOT NULL       -- when all of them will have been forgotten
);
CREATE INDEX password_mails_by_end ON password_mails (settled_at);

-- What cookies of known devices are signed with: 244 random bits. Another one makes all unknown.
CREATE TABLE device_key (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    secret   bytea NOT NULL
);
INSERT INTO device_key (secret)
VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

-- What other services are told: chassis.relay.
CREATE TABLE outbox (
    position   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id   uuid NOT NULL,
    type       text NOT NULL,
    subject    text NOT NULL,
    request_id text NOT NULL,
    data       jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
