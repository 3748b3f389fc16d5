-- As charges_by_time: what was given back since.
-- transaction: no
CREATE INDEX CONCURRENTLY IF NOT EXISTS refunds_by_time ON refunds (created_at, key);
