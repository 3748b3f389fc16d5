-- Endpoints and their secrets. A NULL owner means any owner, for admins.

-- name: lock_owner!
-- Serialises concurrent creations by one owner.
SELECT pg_advisory_xact_lock(hashtextextended('webhook endpoints of ' || :owner_id::uuid::text, 0));

-- name: count_endpoints$
SELECT count(*) FROM webhook_endpoints
WHERE deleted_at IS NULL AND (:owner_id::uuid IS NULL OR owner_id = :owner_id);

-- name: insert_endpoint^
INSERT INTO webhook_endpoints (endpoint_id, owner_id, all_shows, show_id, url, event_types)
VALUES (:endpoint_id, :owner_id, :all_shows, :show_id, :url, :event_types::text[])
RETURNING endpoint_id, owner_id, show_id, url, event_types, active, disabled_reason, failing_since,
          created_at, changed_at;

-- name: list_endpoints
-- Newest first.
SELECT endpoint_id, owner_id, show_id, url, event_types, active, disabled_reason, failing_since,
       created_at, changed_at
FROM webhook_endpoints
WHERE deleted_at IS NULL AND (:owner_id::uuid IS NULL OR owner_id = :owner_id)
ORDER BY endpoint_id DESC
LIMIT :limit OFFSET :offset;

-- name: endpoint^
SELECT endpoint_id, owner_id, show_id, url, event_types, active, disabled_reason, failing_since,
       created_at, changed_at
FROM webhook_endpoints
WHERE endpoint_id = :endpoint_id AND deleted_at IS NULL
  AND (:owner_id::uuid IS NULL OR owner_id = :owner_id);

-- name: lock_endpoint^
-- Locked before its secrets or state change.
SELECT endpoint_id, owner_id, show_id, url, event_types, active, disabled_reason, failing_since,
       created_at, changed_at
FROM webhook_endpoints
WHERE endpoint_id = :endpoint_id AND deleted_at IS NULL
  AND (:owner_id::uuid IS NULL OR owner_id = :owner_id)
FOR NO KEY UPDATE;

-- name: change_endpoint^
-- NULL: unchanged. Activation clears the reason of deactivation; activation and a new URL clear the failures.
UPDATE webhook_endpoints
SET url = coalesce(:url, url),
    event_types = coalesce(:event_types::text[], event_types),
    active = coalesce(:active::boolean, active),
    disabled_reason = CASE WHEN :active::boolean IS NULL THEN disabled_reason END,
    failing_since = CASE WHEN :active::boolean IS TRUE OR :url <> url THEN NULL ELSE failing_since END,
    changed_at = now()
WHERE endpoint_id = :endpoint_id
RETURNING endpoint_id, owner_id, show_id, url, event_types, active, disabled_reason, failing_since,
          created_at, changed_at;

-- name: delete_endpoint$
-- Removes the endpoint at once; prune deletes its deliveries later.
WITH gone AS (
    UPDATE webhook_endpoints SET active = false, disabled_reason = NULL, deleted_at = now()
    WHERE endpoint_id = :endpoint_id AND deleted_at IS NULL
      AND (:owner_id::uuid IS NULL OR owner_id = :owner_id)
    RETURNING endpoint_id),
secrets AS (DELETE FROM webhook_secrets WHERE endpoint_id IN (SELECT endpoint_id FROM gone))
SELECT count(*) FROM gone;

-- name: insert_secret!
INSERT INTO webhook_secrets (endpoint_id, secret) VALUES (:endpoint_id, :secret);

-- name: end_secrets$
-- Older secrets sign until the overlap ends, but not longer than before.
WITH ended AS (
    UPDATE webhook_secrets
    SET expires_at = least(expires_at, now() + make_interval(hours => :overlap_hours::int))
    WHERE endpoint_id = :endpoint_id)
SELECT now() + make_interval(hours => :overlap_hours::int);

-- name: drop_secrets!
-- Deletes expired secrets, and the oldest ones beyond :most.
DELETE FROM webhook_secrets s
WHERE s.endpoint_id = :endpoint_id AND s.expires_at IS NOT NULL AND (
    s.expires_at <= now() OR s.secret NOT IN (
        SELECT secret FROM webhook_secrets
        WHERE endpoint_id = :endpoint_id ORDER BY created_at DESC LIMIT :most));
