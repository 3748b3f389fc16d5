-- name: answer$
-- Whether this service can ask its own tables anything: readiness.
SELECT EXISTS (SELECT FROM signing_keys);

-- name: lock_keys!
-- Making and rotating keys happen one at a time, whichever processes ask.
SELECT pg_advisory_xact_lock(7382002);

-- name: list_keys
-- Every key that tokens may still be signed with, the one that signs now first, and PostgreSQL's
-- word on which ones sign already.
SELECT kid, private_key, public_key, signs_from <= now() AS signs_now
FROM signing_keys
WHERE retires_at IS NULL OR retires_at > now()
ORDER BY signs_from <= now() DESC, signs_from DESC, kid;

-- name: insert_key$
INSERT INTO signing_keys (kid, private_key, public_key, signs_from)
VALUES (:kid, :private_key, :public_key, now() + make_interval(secs => :lead_s))
RETURNING signs_from;

-- name: retire_keys_before!
-- A key signs until its successor does; after that its last token has :token_ttl_s to live.
UPDATE signing_keys
SET retires_at = CAST(:successor_signs_from AS timestamptz) + make_interval(secs => :token_ttl_s)
WHERE kid <> :successor AND retires_at IS NULL;

-- name: prune_keys!
-- Kept for a day beyond their end only so that an operator can look.
DELETE FROM signing_keys WHERE retires_at < now() - interval '1 day';
