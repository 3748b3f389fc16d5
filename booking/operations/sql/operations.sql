-- Controls of sales, and what operators did.

-- name: lock_controls!
-- Alone: waits for the statements that place orders of the session, and they wait for this transaction.
SELECT pg_advisory_xact_lock(7383, hashtext((:session_id::uuid)::text));

-- name: get_controls^
SELECT session_id, paused_at, max_tickets_per_user, orders_per_second, version
FROM sale_controls WHERE session_id = :session_id;

-- name: controls_in_force
-- Of the newest sessions, if there are more: ids ascend with time.
SELECT session_id, paused_at, max_tickets_per_user, orders_per_second, version
FROM sale_controls
WHERE paused_at IS NOT NULL OR max_tickets_per_user IS NOT NULL OR orders_per_second IS NOT NULL
ORDER BY session_id DESC
LIMIT :limit;

-- name: set_controls^
-- A sale that is paused already stays paused since then.
INSERT INTO sale_controls AS c (session_id, paused_at, max_tickets_per_user, orders_per_second, version)
VALUES (:session_id, CASE WHEN :paused::boolean THEN now() END, :max_tickets_per_user,
        :orders_per_second, 1)
ON CONFLICT (session_id) DO UPDATE
    SET paused_at = CASE WHEN :paused::boolean THEN coalesce(c.paused_at, now()) END,
        max_tickets_per_user = EXCLUDED.max_tickets_per_user,
        orders_per_second = EXCLUDED.orders_per_second, version = c.version + 1
RETURNING session_id, paused_at, max_tickets_per_user, orders_per_second, version;

-- name: record_action!
INSERT INTO operator_actions (action_id, by_user, action, session_id, subject, before, after,
                              reason, request_id)
VALUES (:action_id, :by_user, :action, :session_id, :subject, :before::jsonb, :after::jsonb,
        :reason, :request_id);

-- name: list_actions
-- Newest first, by the key: ids ascend with time.
SELECT action_id, at, by_user, action, session_id, subject, before, after, reason, request_id
FROM operator_actions WHERE action_id < :before ORDER BY action_id DESC LIMIT :limit;
