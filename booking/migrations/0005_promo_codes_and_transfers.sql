-- Promo codes, what they took off which order, and tickets that went to somebody else.

-- A code of one show, in capitals. `uses` counts the orders that live with it; the CHECK decides who
-- of two at once has the last one, as user_tallies does for tickets.
CREATE TABLE promo_codes (
    promo_code_id     uuid        CONSTRAINT promo_codes_pkey PRIMARY KEY,
    show_id           uuid        NOT NULL,
    code              text        NOT NULL CONSTRAINT promo_codes_normalised CHECK (code ~ '^[A-Z0-9_-]{3,32}$'),
    kind              text        NOT NULL CONSTRAINT promo_codes_kind_known CHECK (kind IN ('percent', 'fixed')),
    value             bigint      NOT NULL CONSTRAINT promo_codes_value_positive CHECK (value > 0),
    currency          text,
    max_uses          int         CONSTRAINT promo_codes_max_uses_positive CHECK (max_uses > 0),
    max_uses_per_user int         CONSTRAINT promo_codes_max_uses_per_user_positive CHECK (max_uses_per_user > 0),
    valid_from        timestamptz,
    valid_until       timestamptz,
    active            boolean     NOT NULL DEFAULT true,
    uses              int         NOT NULL DEFAULT 0 CONSTRAINT promo_codes_uses_not_negative CHECK (uses >= 0),
    created_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT promo_codes_one_per_show UNIQUE (show_id, code),
    CONSTRAINT promo_codes_within_uses CHECK (uses <= max_uses),
    CONSTRAINT promo_codes_percent_within_hundred CHECK (kind <> 'percent' OR value <= 100),
    CONSTRAINT promo_codes_fixed_has_currency CHECK ((kind = 'fixed') = (currency IS NOT NULL)),
    CONSTRAINT promo_codes_window_has_length CHECK (valid_from < valid_until)
);

-- A person's uses of a code, and the limit told with the last one.
CREATE TABLE promo_tallies (
    promo_code_id uuid NOT NULL REFERENCES promo_codes,
    user_id       uuid NOT NULL,
    uses          int  NOT NULL CONSTRAINT promo_tallies_not_negative CHECK (uses >= 0),
    cap           int,
    CONSTRAINT promo_tallies_one_per_user PRIMARY KEY (promo_code_id, user_id),
    CONSTRAINT promo_tallies_within_cap CHECK (uses <= cap)
);

-- An order's code and what it took off. Released: the order has ended and the use was given back.
CREATE TABLE promo_redemptions (
    order_id      uuid        CONSTRAINT promo_redemptions_one_per_order PRIMARY KEY,
    promo_code_id uuid        NOT NULL REFERENCES promo_codes,
    user_id       uuid        NOT NULL,
    code          text        NOT NULL,
    discount      bigint      NOT NULL CONSTRAINT promo_redemptions_discount_not_negative CHECK (discount >= 0),
    redeemed_at   timestamptz NOT NULL DEFAULT now(),
    released_at   timestamptz
);
CREATE INDEX promo_redemptions_of_code ON promo_redemptions (promo_code_id);

-- What a seat really costs its buyer, when that is less than its price; the items of an order with a
-- code add up to its total by this. NULL: the price.
ALTER TABLE order_items ADD COLUMN IF NOT EXISTS paid bigint;
ALTER TABLE order_items ADD CONSTRAINT order_items_paid_within_price CHECK (paid BETWEEN 0 AND price);

ALTER TABLE tickets ADD COLUMN IF NOT EXISTS void_reason text;
CREATE INDEX tickets_of_user ON tickets (user_id, ticket_id DESC);

-- One row a time that a ticket changed hands: the old one died, the new one was issued.
CREATE TABLE ticket_transfers (
    transfer_id    uuid        CONSTRAINT ticket_transfers_pkey PRIMARY KEY,
    ticket_id      uuid        NOT NULL CONSTRAINT ticket_transfers_once_per_ticket UNIQUE REFERENCES tickets,
    new_ticket_id  uuid        NOT NULL CONSTRAINT ticket_transfers_one_new_ticket UNIQUE REFERENCES tickets,
    order_id       uuid        NOT NULL REFERENCES orders,
    from_user_id   uuid        NOT NULL,
    to_user_id     uuid        NOT NULL CONSTRAINT ticket_transfers_to_another CHECK (to_user_id <> from_user_id),
    transferred_at timestamptz NOT NULL DEFAULT now()
);

-- Addresses without an account that a holder has tried; too many in an hour are refused.
CREATE TABLE recipient_misses (
    user_id   uuid        NOT NULL,
    missed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX recipient_misses_of_user ON recipient_misses (user_id, missed_at);

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
