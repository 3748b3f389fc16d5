-- On what terms a show's tickets are taken back, and sessions that their organizer has cancelled.
-- The defaults are those of catalog.contract.RefundPolicy; a test holds the two together.
ALTER TABLE shows
    ADD COLUMN refundable         boolean NOT NULL DEFAULT true,
    ADD COLUMN refund_until_hours int     NOT NULL DEFAULT 24
        CONSTRAINT shows_refund_until_within_a_year CHECK (refund_until_hours BETWEEN 0 AND 8760),
    ADD COLUMN refund_fee_kind    text    NOT NULL DEFAULT 'none'
        CONSTRAINT shows_refund_fee_kind_known CHECK (refund_fee_kind IN ('none', 'percent', 'fixed')),
    ADD COLUMN refund_fee         bigint  NOT NULL DEFAULT 0
        CONSTRAINT shows_refund_fee_in_bounds CHECK (refund_fee BETWEEN 0 AND 10000000000),
    ADD COLUMN refund_approval    text    NOT NULL DEFAULT 'automatic'
        CONSTRAINT shows_refund_approval_known CHECK (refund_approval IN ('automatic', 'organizer')),
    ADD CONSTRAINT shows_refund_fee_is_of_its_kind CHECK (CASE refund_fee_kind
        WHEN 'none' THEN refund_fee = 0 WHEN 'percent' THEN refund_fee <= 100 ELSE true END);
