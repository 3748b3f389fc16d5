-- Promo codes that no show has, as they were tried: too many are refused (docs/adr/0034).

-- `address`: what the gateway's limits count the client by; NULL for a call that came past it. Rows are
-- of use for ten minutes, and go with the next miss of their user or with the worker's pruning.
CREATE TABLE promo_misses (
    user_id   uuid        NOT NULL,
    address   text,
    missed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX promo_misses_of_user ON promo_misses (user_id, missed_at);
CREATE INDEX promo_misses_from_address ON promo_misses (address, missed_at);
