-- transaction: no
-- An index that begins with random user ids takes each order at a random page of all that there ever were, and that
-- page is logged whole. This one takes it among those of its week, however many are older.
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_of_user_by_week
    ON orders (order_week(created_at), user_id, created_at DESC, order_id DESC);
