-- Answers that come later, refunds in parts, and the messages that the sandbox sends.

-- What a charge will be is decided when it is made; until `settles_at` it is pending for whoever asks.
ALTER TABLE charges
    ADD COLUMN method     text        NOT NULL DEFAULT '',
    ADD COLUMN settles_at timestamptz NOT NULL DEFAULT now();

-- `key` is the caller's idempotency key. A refused one is kept too: with its key none will succeed.
CREATE TABLE refunds (
    key        uuid        CONSTRAINT refunds_one_per_key PRIMARY KEY,
    charge     uuid        NOT NULL,
    amount     bigint      NOT NULL CONSTRAINT refunds_amount_not_negative CHECK (amount >= 0),
    currency   text        NOT NULL,
    state      text        NOT NULL CONSTRAINT refunds_state_known CHECK
        (state IN ('succeeded', 'failed')),
    reason     text,
    settles_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refunds_of_charge ON refunds (charge);

INSERT INTO refunds (key, charge, amount, currency, state, settles_at)
SELECT key, key, amount, currency, 'succeeded', refunded_at
FROM charges WHERE refunded_at IS NOT NULL;

-- A charge or a refund is told of once, when it is final: one row each.
CREATE TABLE webhooks (
    subject      uuid        CONSTRAINT webhooks_one_per_subject PRIMARY KEY,
    kind         text        NOT NULL CONSTRAINT webhooks_kind_known CHECK
        (kind IN ('payment', 'refund')),
    due_at       timestamptz NOT NULL,
    attempts     int         NOT NULL DEFAULT 0,
    delivered_at timestamptz,
    reason       text        -- of the last attempt that failed
);
CREATE INDEX webhooks_undelivered ON webhooks (due_at) WHERE delivered_at IS NULL;

-- What was changed at run time; a key that is not there is as the settings have it.
CREATE TABLE controls (
    only_one boolean CONSTRAINT controls_one_row PRIMARY KEY DEFAULT true CHECK (only_one),
    changes  jsonb   NOT NULL DEFAULT '{}'
);
INSERT INTO controls DEFAULT VALUES;
