-- What `stampede reconcile` has decided after a failover that lost something (docs/adr/0054).

-- A charge that the provider took and whose order PostgreSQL had lost: its order was restored, or its money goes
-- back. One row a charge, so that two who look at once cannot do both. `refund_key`: NULL for a restored order;
-- else what the provider knows the refund by, stored before the provider is asked.
CREATE TABLE recovered_charges (
    payment_id  uuid        CONSTRAINT recovered_charges_decided_once PRIMARY KEY,
    order_id    uuid,
    order_no    text,
    user_id     uuid,
    session_id  uuid,
    title       text,
    provider    text        NOT NULL,
    amount      bigint      NOT NULL CONSTRAINT recovered_charges_amount_positive CHECK (amount > 0),
    currency    text        NOT NULL,
    reason      text        NOT NULL,
    refund_key  uuid        CONSTRAINT recovered_charges_one_per_refund_key UNIQUE,
    attempts    int         NOT NULL DEFAULT 0,
    failure     text,
    refunded_at timestamptz,
    decided_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT recovered_charges_refunded_has_key CHECK (refunded_at IS NULL OR refund_key IS NOT NULL)
);
CREATE INDEX recovered_charges_of_order ON recovered_charges (order_id);
CREATE INDEX recovered_charges_owed ON recovered_charges (decided_at)
    WHERE refund_key IS NOT NULL AND refunded_at IS NULL;

-- Findings about which nothing can be done here, once they have been listed to whoever ran `--apply`.
CREATE TABLE recovery_notes (
    subject  uuid        CONSTRAINT recovery_notes_each_once PRIMARY KEY,
    kind     text        NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now()
);
