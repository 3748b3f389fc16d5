-- Outgoing webhooks: endpoints of organizers, the secrets they are signed with, what is sent, deliveries.

CREATE TABLE webhook_endpoints (
    endpoint_id     uuid PRIMARY KEY,
    owner_id        uuid NOT NULL,
    all_shows       boolean NOT NULL,          -- an admin's endpoint: hears of every organizer's shows
    show_id         uuid,                      -- hears of this show only; its ownership was asked of catalog
    url             text NOT NULL,
    event_types     text[] NOT NULL,
    active          boolean NOT NULL DEFAULT true,
    disabled_reason text,                      -- why we switched it off; NULL when its owner did
    failing_since   timestamptz,               -- first of the failures that no success followed
    created_at      timestamptz NOT NULL DEFAULT now(),
    changed_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz,               -- its deliveries are thrown away little by little
    CONSTRAINT webhook_endpoints_url_is_bounded CHECK (length(url) BETWEEN 8 AND 2000),
    CONSTRAINT webhook_endpoints_hear_something CHECK (cardinality(event_types) >= 1),
    CONSTRAINT webhook_endpoints_disabled_reason CHECK (disabled_reason IN ('gone', 'failing')),
    CONSTRAINT webhook_endpoints_disabled_are_inactive CHECK (disabled_reason IS NULL OR NOT active),
    CONSTRAINT webhook_endpoints_deleted_are_inactive CHECK (deleted_at IS NULL OR NOT active)
);
CREATE INDEX webhook_endpoints_by_owner ON webhook_endpoints (owner_id, endpoint_id)
    WHERE deleted_at IS NULL;
CREATE INDEX webhook_endpoints_by_show ON webhook_endpoints (show_id) WHERE active AND show_id IS NOT NULL;
CREATE INDEX webhook_endpoints_of_all ON webhook_endpoints (endpoint_id) WHERE active AND all_shows;
CREATE INDEX webhook_endpoints_active ON webhook_endpoints (owner_id) WHERE active;
CREATE INDEX webhook_endpoints_by_type ON webhook_endpoints USING gin (event_types) WHERE active;
CREATE INDEX webhook_endpoints_deleted ON webhook_endpoints (deleted_at) WHERE deleted_at IS NOT NULL;

-- In clear, since we sign with them. The one without an end is the current one; those with an end sign
-- beside it until then.
CREATE TABLE webhook_secrets (
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    secret      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz,
    PRIMARY KEY (endpoint_id, secret),
    CONSTRAINT webhook_secrets_form CHECK (secret ~ '^whsec_[A-Za-z0-9+/]{32,88}={0,2}$')
);
CREATE UNIQUE INDEX webhook_secrets_one_current ON webhook_secrets (endpoint_id) WHERE expires_at IS NULL;

-- Whose a session is, as catalog said once: a session never changes its show, nor a show its organizer.
CREATE TABLE webhook_sessions (
    session_id   uuid PRIMARY KEY,
    show_id      uuid NOT NULL,
    organizer_id uuid NOT NULL
);

-- What is sent, once however many hear it: `body` byte for byte as it is signed. Written in the
-- transaction of the inbox row. An event of a session that we do not know yet waits to be routed.
CREATE TABLE webhook_events (
    event_id    uuid PRIMARY KEY,
    type        text NOT NULL,
    session_id  uuid,                          -- NULL: a test
    request_id  text NOT NULL,
    happened_at timestamptz NOT NULL,
    body        text NOT NULL,
    routed      boolean NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_events_to_route ON webhook_events (created_at) WHERE NOT routed;
CREATE INDEX webhook_events_by_age ON webhook_events (created_at);

-- pending → delivered, or failed (given up); resending makes either pending again.
CREATE TABLE webhook_deliveries (
    delivery_id     uuid PRIMARY KEY,
    endpoint_id     uuid NOT NULL REFERENCES webhook_endpoints,
    event_id        uuid NOT NULL REFERENCES webhook_events,
    state           text NOT NULL DEFAULT 'pending',
    claims          int NOT NULL DEFAULT 0,    -- the fence: only the last claim may mark it
    attempts        int NOT NULL DEFAULT 0,    -- since started_at: the place in the schedule
    started_at      timestamptz NOT NULL DEFAULT now(),
    next_attempt    timestamptz DEFAULT now(), -- while it is being sent: the end of the sender's lease
    last_attempt_at timestamptz,
    last_status     int,
    last_error      text,
    last_latency_ms int,
    last_response   text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    CONSTRAINT webhook_deliveries_one_by_endpoint_and_event UNIQUE (endpoint_id, event_id),
    CONSTRAINT webhook_deliveries_state CHECK (state IN ('pending', 'delivered', 'failed')),
    CONSTRAINT webhook_deliveries_pending_have_a_time
        CHECK ((state = 'pending') = (next_attempt IS NOT NULL)),
    CONSTRAINT webhook_deliveries_ended_have_an_end CHECK ((state = 'pending') = (ended_at IS NULL))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (endpoint_id, next_attempt)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, delivery_id DESC);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (endpoint_id, state, delivery_id DESC);
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (event_id);
CREATE INDEX webhook_deliveries_by_end ON webhook_deliveries (ended_at) WHERE state <> 'pending';

-- Who hears of a session: the one place that says what a subscription means.
CREATE VIEW webhook_audience AS
SELECT s.session_id, p.endpoint_id, p.event_types, p.created_at
FROM webhook_sessions s
JOIN webhook_endpoints p ON p.active AND (
    p.show_id = s.show_id OR p.show_id IS NULL AND (p.all_shows OR p.owner_id = s.organizer_id));

-- chassis.idempotency.
CREATE TABLE idempotency_keys (
    user_id    uuid NOT NULL,
    route      text NOT NULL,
    key        text NOT NULL,
    body_hash  bytea NOT NULL,
    status     int NOT NULL,
    answer     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, route, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
