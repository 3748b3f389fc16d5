-- An Idempotency-Key of a registration is its caller's: nobody has an account yet, so the client's address
-- stands for who they are. Rows from before are found by nobody and go after two days.
ALTER TABLE registrations ADD COLUMN caller_hash bytea NOT NULL DEFAULT '';
ALTER TABLE registrations DROP CONSTRAINT registrations_pkey;
ALTER TABLE registrations ADD CONSTRAINT registrations_one_per_key PRIMARY KEY (caller_hash, key);
