-- transaction: no
-- As 0022 for orders: somebody's tickets are found in one period of four weeks after the other, and a new ticket's
-- entry lies among those of its period, however many are older (docs/adr/0099).
CREATE INDEX CONCURRENTLY IF NOT EXISTS tickets_of_user_by_period
    ON tickets (order_period(issued_at), uuid_hash(user_id));
