-- Refunds, in whole or ticket by ticket, and sessions that were cancelled. docs/adr/0018.

-- Shared with the promo codes' migration: what a seat cost its buyer when that is less than its price
-- (NULL: the price), and why a ticket is void.
ALTER TABLE order_items ADD COLUMN IF NOT EXISTS paid bigint;
ALTER TABLE tickets ADD COLUMN IF NOT EXISTS void_reason text;

ALTER TABLE orders DROP CONSTRAINT orders_cancel_reason_known;
ALTER TABLE orders ADD CONSTRAINT orders_cancel_reason_known CHECK
    (cancel_reason IN ('user', 'unpaid', 'session_cancelled'));
CREATE INDEX orders_cancelled_with_session ON orders (session_id)
    WHERE cancel_reason = 'session_cancelled';

-- `provider_key` is what the provider knows the refund by. It is committed before the provider is
-- called: the refund's own id, or a new one after the provider has failed it for good.
CREATE TABLE refunds (
    refund_id    uuid        CONSTRAINT refunds_pkey PRIMARY KEY,
    order_id     uuid        NOT NULL REFERENCES orders,
    payment_id   uuid        NOT NULL REFERENCES payments,
    user_id      uuid        NOT NULL,
    session_id   uuid        NOT NULL,
    organizer_id uuid        NOT NULL,
    cause        text        NOT NULL CONSTRAINT refunds_cause_known CHECK
        (cause IN ('buyer', 'session_cancelled')),
    reason       text        NOT NULL,
    note         text,
    price        bigint      NOT NULL,
    fee          bigint      NOT NULL CONSTRAINT refunds_fee_not_negative CHECK (fee >= 0),
    amount       bigint      NOT NULL CONSTRAINT refunds_amount_not_negative CHECK (amount >= 0),
    currency     text        NOT NULL,
    state        text        NOT NULL CONSTRAINT refunds_state_known CHECK
        (state IN ('requested', 'approved', 'processing', 'succeeded', 'failed', 'rejected')),
    provider_key uuid        NOT NULL CONSTRAINT refunds_one_per_provider_key UNIQUE,
    attempts     int         NOT NULL DEFAULT 0,
    next_attempt timestamptz,
    failure      text,
    decided_by   uuid,
    request_id   text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    decided_at   timestamptz,
    settled_at   timestamptz,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT refunds_fee_and_amount_make_the_price CHECK (fee + amount = price),
    CONSTRAINT refunds_decided_has_time CHECK ((state = 'requested') = (decided_at IS NULL)),
    CONSTRAINT refunds_settled_has_time CHECK ((state = 'succeeded') = (settled_at IS NOT NULL)),
    CONSTRAINT refunds_owed_are_tried CHECK
        ((state IN ('approved', 'processing')) = (next_attempt IS NOT NULL))
);
CREATE INDEX refunds_of_order ON refunds (order_id);
CREATE INDEX refunds_due ON refunds (next_attempt) WHERE state IN ('approved', 'processing');
CREATE INDEX refunds_of_organizer ON refunds (organizer_id, state, created_at, refund_id);
CREATE INDEX refunds_of_session ON refunds (session_id, cause);
CREATE INDEX refunds_failed ON refunds (updated_at) WHERE state = 'failed';

-- Which seats of the order a refund is for. wanted: until it is decided; freed: the ticket is void and
-- the seat another's to buy; dropped: it was rejected. A seat is refunded once.
CREATE TABLE refund_items (
    refund_id uuid   NOT NULL REFERENCES refunds,
    order_id  uuid   NOT NULL,
    seat_id   int    NOT NULL,
    ticket_id uuid   NOT NULL,
    price     bigint NOT NULL CONSTRAINT refund_items_price_not_negative CHECK (price >= 0),
    effect    text   NOT NULL DEFAULT 'wanted' CONSTRAINT refund_items_effect_known CHECK
        (effect IN ('wanted', 'freed', 'dropped')),
    CONSTRAINT refund_items_each_seat_once PRIMARY KEY (refund_id, seat_id)
);
CREATE UNIQUE INDEX refund_items_one_refund_per_seat ON refund_items (order_id, seat_id)
    WHERE effect <> 'dropped';

-- What an order's buyer still has of it: the invariants of `stampede audit` are over these.
CREATE VIEW items_in_force AS
SELECT i.order_id, i.seat_id, coalesce(i.paid, i.price) AS price
FROM order_items i
WHERE NOT EXISTS (SELECT FROM refund_items r WHERE r.order_id = i.order_id
                  AND r.seat_id = i.seat_id AND r.effect = 'freed');

-- A session that will not be played. The row comes with the closing of all its seats, in one
-- transaction, and never goes.
CREATE TABLE session_cancellations (
    session_id   uuid        CONSTRAINT session_cancellations_once_per_session PRIMARY KEY,
    organizer_id uuid        NOT NULL,
    requested_by uuid        NOT NULL,
    reason       text        NOT NULL,
    request_id   text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    catalog_told timestamptz,
    finished_at  timestamptz
);
CREATE INDEX session_cancellations_open ON session_cancellations (created_at)
    WHERE finished_at IS NULL;

-- A seat of a cancelled session that comes free, by whatever way, is blocked in the same moment: its
-- primary key then refuses every order, also that of a process which has not heard yet. As the row of
-- the cancellation is read here, when the claim's lock has been waited for, no cancellation slips in
-- between. Nothing on the way of an order or of a payment deletes a claim, so none of them pays.
CREATE FUNCTION keep_cancelled_sessions_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seat_claims (session_id, seat_id, order_id, state, expires_at)
    SELECT session_id, seat_id, NULL, 'blocked', NULL
    FROM freed JOIN session_cancellations USING (session_id) ORDER BY session_id, seat_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER seat_claims_stay_when_session_cancelled AFTER DELETE ON seat_claims
    REFERENCING OLD TABLE AS freed FOR EACH STATEMENT EXECUTE FUNCTION keep_cancelled_sessions_closed();

-- For chassis.idempotency; several numbered files of this schema may be the first to need it.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    user_id    uuid NOT NULL,
    route      text NOT NULL,
    key        text NOT NULL,
    body_hash  bytea NOT NULL,
    status     int NOT NULL,
    answer     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, route, key)
);
CREATE INDEX IF NOT EXISTS idempotency_keys_by_age ON idempotency_keys (created_at);
