-- name: answer$
-- Readiness: can this service query its own tables?
SELECT EXISTS (SELECT FROM signing_keys);

-- name: lock_keys!
-- Keys are created and rotated by one process at a time.
SELECT pg_advisory_xact_lock(7382002);

-- name: list_keys
-- Every key that is not retired, the one that signs now first. PostgreSQL's clock says which ones sign.
SELECT kid, private_key, public_key, signs_from <= now() AS signs_now
FROM signing_keys
WHERE retires_at IS NULL OR retires_at > now()
ORDER BY signs_from <= now() DESC, signs_from DESC, kid;

-- name: insert_key$
INSERT INTO signing_keys (kid, private_key, public_key, signs_from)
VALUES (:kid, :private_key, :public_key, now() + make_interval(secs => :lead_s))
RETURNING signs_from;

-- name: retire_keys_before!
-- A key signs until its successor does. Its last token then lives for :token_ttl_s.
UPDATE signing_keys
SET retires_at = CAST(:successor_signs_from AS timestamptz) + make_interval(secs => :token_ttl_s)
WHERE kid <> :successor AND retires_at IS NULL;

-- name: prune_keys!
-- Kept for one more day so that an operator can inspect them.
DELETE FROM signing_keys WHERE retires_at < now() - interval '1 day';

-- name: signing_since$
-- Since when the key that signs now has signed.
SELECT extract(epoch FROM max(signs_from))::float8 FROM signing_keys WHERE signs_from <= now();
