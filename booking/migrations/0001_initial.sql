-- Orders, the seats they claim, their money and their tickets. PostgreSQL decides here: every rule
-- that must hold under any race is a named constraint, and booking/store/refusals.py says what each
-- one means to a caller.
--
-- The tables that an order is written to (orders, order_items, seat_claims, user_tallies,
-- order_events, outbox) have no foreign keys among them: one statement writes all of them, nothing
-- else inserts, and `stampede audit` checks that they agree.

-- Raised inside a statement to undo the whole of it; `rule` arrives as the error's constraint name.
CREATE FUNCTION refuse(rule text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'refused: %', rule USING ERRCODE = 'ST001', CONSTRAINT = rule;
END
$$;

CREATE SEQUENCE order_numbers;

CREATE TABLE orders (
    order_id        uuid        CONSTRAINT orders_pkey PRIMARY KEY,
    order_no        text        NOT NULL
                    DEFAULT to_char(now(), 'YYMMDD') || to_char(nextval('order_numbers'), 'FM999999999000000')
                    CONSTRAINT orders_one_per_number UNIQUE,
    user_id         uuid        NOT NULL,
    session_id      uuid        NOT NULL,
    status          text        NOT NULL CONSTRAINT orders_status_known CHECK
        (status IN ('created', 'pending_payment', 'paid', 'completed', 'cancelled', 'refunded')),
    total_amount    bigint      NOT NULL CONSTRAINT orders_amount_not_negative CHECK (total_amount >= 0),
    currency        text        NOT NULL,
    -- what the buyer was shown when buying; mails, tickets and events need it while catalog is away
    title           text        NOT NULL,
    venue           text        NOT NULL,
    starts_at       timestamptz NOT NULL,
    time_zone       text        NOT NULL,
    idempotency_key text,
    body_hash       bytea,
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    paid_at         timestamptz,
    cancelled_at    timestamptz,
    cancel_reason   text        CONSTRAINT orders_cancel_reason_known CHECK (cancel_reason IN ('user', 'unpaid')),
    CONSTRAINT orders_key_has_hash CHECK ((idempotency_key IS NULL) = (body_hash IS NULL)),
    CONSTRAINT orders_paid_has_time CHECK
        ((status IN ('paid', 'completed', 'refunded')) = (paid_at IS NOT NULL)),
    CONSTRAINT orders_cancelled_has_reason CHECK ((status = 'cancelled') = (cancel_reason IS NOT NULL))
);
CREATE UNIQUE INDEX orders_one_per_idempotency_key ON orders (user_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX orders_of_user ON orders (user_id, created_at DESC, order_id DESC);
CREATE INDEX orders_due ON orders (expires_at) INCLUDE (session_id) WHERE status = 'pending_payment';
CREATE INDEX orders_to_complete ON orders (starts_at) WHERE status = 'paid';

-- Orders as they are judged on reading: time ends one, whether or not the sweeper has come by.
CREATE VIEW orders_as_read AS
SELECT order_id, order_no, user_id, session_id, total_amount, currency, title, venue, starts_at,
       time_zone, idempotency_key, body_hash, created_at, expires_at, paid_at,
       CASE WHEN late THEN 'cancelled' ELSE status END AS status,
       CASE WHEN late THEN 'unpaid' ELSE cancel_reason END AS cancel_reason
FROM (SELECT *, status = 'pending_payment' AND expires_at <= now() AS late FROM orders) AS judged;

CREATE TABLE order_items (
    order_id uuid   NOT NULL,
    seat_id  int    NOT NULL,
    area_id  uuid   NOT NULL,
    area     text   NOT NULL,
    row      text   NOT NULL,
    number   int    NOT NULL,
    price    bigint NOT NULL CONSTRAINT order_items_price_not_negative CHECK (price >= 0),
    CONSTRAINT order_items_each_seat_once PRIMARY KEY (order_id, seat_id)
);

-- A row only while a seat is taken. The order id is the fence: whoever changes a claim names it.
CREATE TABLE seat_claims (
    session_id uuid NOT NULL,
    seat_id    int  NOT NULL,
    order_id   uuid,
    state      text NOT NULL CONSTRAINT seat_claims_state_known CHECK (state IN ('held', 'sold', 'blocked')),
    expires_at timestamptz,
    CONSTRAINT seat_claims_one_owner_per_seat PRIMARY KEY (session_id, seat_id),
    CONSTRAINT seat_claims_blocked_has_no_order CHECK ((state = 'blocked') = (order_id IS NULL)),
    CONSTRAINT seat_claims_only_held_ends CHECK ((state = 'held') = (expires_at IS NOT NULL))
);

-- Tickets that a person holds or has bought for a session, and the cap told with the last order.
CREATE TABLE user_tallies (
    session_id uuid NOT NULL,
    user_id    uuid NOT NULL,
    tickets    int  NOT NULL CONSTRAINT user_tallies_not_negative CHECK (tickets >= 0),
    cap        int  NOT NULL,
    CONSTRAINT user_tallies_one_per_user PRIMARY KEY (session_id, user_id),
    CONSTRAINT user_tallies_within_cap CHECK (tickets <= cap)
);

-- An order's history: appended to in the transaction of what it tells, never changed.
CREATE TABLE order_events (
    position   bigint GENERATED ALWAYS AS IDENTITY,
    order_id   uuid        NOT NULL,
    event_id   uuid        NOT NULL,
    type       text        NOT NULL,
    time       timestamptz NOT NULL DEFAULT now(),
    request_id text        NOT NULL,
    data       jsonb       NOT NULL,
    CONSTRAINT order_events_pkey PRIMARY KEY (order_id, position)
);

-- An intent to take money, committed before the provider hears of it. Its id is the provider's
-- idempotency key.
CREATE TABLE payments (
    payment_id      uuid        CONSTRAINT payments_pkey PRIMARY KEY,
    order_id        uuid        NOT NULL REFERENCES orders,
    user_id         uuid        NOT NULL,
    provider        text        NOT NULL,
    method          text        NOT NULL,
    amount          bigint      NOT NULL CONSTRAINT payments_amount_not_negative CHECK (amount >= 0),
    currency        text        NOT NULL,
    state           text        NOT NULL CONSTRAINT payments_state_known CHECK
        (state IN ('created', 'processing', 'succeeded', 'failed', 'refund_due', 'refunded')),
    reason          text,
    idempotency_key text,
    body_hash       bytea,
    request_id      text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT payments_key_has_hash CHECK ((idempotency_key IS NULL) = (body_hash IS NULL))
);
CREATE UNIQUE INDEX payments_one_live_per_order ON payments (order_id)
    WHERE state IN ('created', 'processing', 'succeeded');
CREATE UNIQUE INDEX payments_one_per_idempotency_key ON payments (order_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX payments_unsettled ON payments (updated_at)
    WHERE state IN ('created', 'processing', 'refund_due');

-- What providers have told us by webhook; a row is written in the transaction of its effect.
CREATE TABLE provider_events (
    provider   text        NOT NULL,
    event_id   text        NOT NULL,
    type       text        NOT NULL,
    payment_id uuid        NOT NULL,
    taken_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provider_events_taken_once PRIMARY KEY (provider, event_id)
);

CREATE TABLE tickets (
    ticket_id  uuid        CONSTRAINT tickets_pkey PRIMARY KEY,
    order_id   uuid        NOT NULL REFERENCES orders,
    session_id uuid        NOT NULL,
    seat_id    int         NOT NULL,
    user_id    uuid        NOT NULL,
    status     text        NOT NULL DEFAULT 'valid' CONSTRAINT tickets_status_known CHECK
        (status IN ('valid', 'checked_in', 'void')),
    code       text        NOT NULL,
    issued_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX tickets_one_valid_per_seat ON tickets (session_id, seat_id) WHERE status <> 'void';
CREATE INDEX tickets_of_order ON tickets (order_id);

-- Ed25519 keys that sign tickets, and the HMAC key of links to them. The newest of a purpose signs;
-- older ones still verify.
CREATE TABLE signing_keys (
    kid        text        CONSTRAINT signing_keys_pkey PRIMARY KEY,
    purpose    text        NOT NULL CONSTRAINT signing_keys_purpose_known CHECK (purpose IN ('ticket', 'link')),
    secret     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE outbox (
    position   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id   uuid NOT NULL,
    type       text NOT NULL,
    subject    text NOT NULL,
    request_id text NOT NULL,
    data       jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
