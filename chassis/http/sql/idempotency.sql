-- name: try_lock_key$
SELECT pg_try_advisory_xact_lock(hashtextextended(:user_id::text || :route || :key, 7382));

-- name: find_answer^
SELECT body_hash, status, answer FROM idempotency_keys
WHERE user_id = :user_id AND route = :route AND key = :key;

-- name: keep_answer!
INSERT INTO idempotency_keys (user_id, route, key, body_hash, status, answer)
VALUES (:user_id, :route, :key, :body_hash, :status, :answer);

-- name: prune_keys!
-- Kept for a day longer than the promised 24 hours.
DELETE FROM idempotency_keys WHERE created_at < now() - interval '48 hours';
