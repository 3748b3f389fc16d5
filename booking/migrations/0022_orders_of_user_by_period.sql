-- transaction: no
-- An index that begins with random user ids takes each order at a random page of all that there ever were, and that
-- page is logged whole. This one takes it among those of its period, however many are older. The hash is short, so
-- that the pages are few; queries compare the id too.
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_of_user_by_period
    ON orders (order_period(created_at), uuid_hash(user_id));
