-- A cool-down for who holds seats and lets them go again and again (docs/adr/0030).

-- `let_go`: orders of the session that the person has cancelled, or let lapse, since the window that
-- ends at `let_go_until` began. `cools_until`: the end of the window in which they became too many.
-- `placed_at`: when an order was last placed; NULL since one was let go, so that nothing but placing
-- ever meets the rule: not what ends orders, not a refund, not money that came late.
ALTER TABLE user_tallies
    ADD COLUMN let_go int NOT NULL DEFAULT 0,
    ADD COLUMN let_go_until timestamptz,
    ADD COLUMN cools_until timestamptz,
    ADD COLUMN placed_at timestamptz,
    ADD CONSTRAINT user_tallies_let_go_not_negative CHECK (let_go >= 0),
    ADD CONSTRAINT user_tallies_not_churning CHECK (placed_at >= cools_until);
