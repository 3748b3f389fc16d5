-- What the sandbox provider remembers. `key` is its caller's idempotency key.
CREATE TABLE charges (
    key         uuid        CONSTRAINT charges_one_per_key PRIMARY KEY,
    reference   text        NOT NULL,
    amount      bigint      NOT NULL CHECK (amount >= 0),
    currency    text        NOT NULL,
    state       text        NOT NULL CHECK (state IN ('succeeded', 'declined')),
    reason      text,
    refunded_at timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now()
);
