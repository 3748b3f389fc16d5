-- Pausing a session's sale, and limits of its own, while it sells (docs/adr/0070).

-- A row once somebody has steered the session's sale. NULL: the sale runs; the limit is catalog's, or there is none.
-- `version` grows with each change, so that whoever hears of two knows the later one.
CREATE TABLE sale_controls (
    session_id           uuid   CONSTRAINT sale_controls_once_per_session PRIMARY KEY,
    paused_at            timestamptz,
    max_tickets_per_user int    CONSTRAINT sale_controls_max_tickets_positive CHECK (max_tickets_per_user > 0),
    orders_per_second    int    CONSTRAINT sale_controls_rate_positive CHECK (orders_per_second > 0),
    version              bigint NOT NULL CONSTRAINT sale_controls_version_positive CHECK (version > 0)
);
-- What every process asks for twice a second.
CREATE INDEX sale_controls_in_force ON sale_controls (session_id)
    WHERE paused_at IS NOT NULL OR max_tickets_per_user IS NOT NULL OR orders_per_second IS NOT NULL;

-- What operators did: appended to in the transaction of its effect, never changed.
CREATE TABLE operator_actions (
    action_id  uuid        CONSTRAINT operator_actions_pkey PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    by_user    uuid        NOT NULL,
    action     text        NOT NULL CONSTRAINT operator_actions_known CHECK
        (action IN ('pause', 'resume', 'limits', 'retry')),
    session_id uuid,
    subject    text,        -- of a retry: service/consumer/event
    before     jsonb       NOT NULL,
    after      jsonb       NOT NULL,
    reason     text        NOT NULL,
    request_id text        NOT NULL
);

-- Called by every statement that places orders, after its claims: the tickets that a person may have of the session,
-- NULL where catalog's limit holds. Refuses a paused sale, unless `heed_pause` is false.
-- The lock is shared among statements that place orders; whoever changes the controls takes it alone. So a change
-- waits for the orders under way, and once it is committed, no order is placed that has not seen it. The row is read
-- by a statement of its own, whose snapshot is newer than the lock.
CREATE FUNCTION steered_cap(session uuid, heed_pause boolean) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    steered sale_controls;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7383, hashtext(session::text));
    SELECT * INTO steered FROM sale_controls WHERE session_id = session;
    IF heed_pause AND steered.paused_at IS NOT NULL THEN
        PERFORM refuse('orders_not_while_paused');
    END IF;
    RETURN steered.max_tickets_per_user;
END
$$;
