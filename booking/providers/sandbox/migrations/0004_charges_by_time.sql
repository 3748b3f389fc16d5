-- A caller whose database has lost its last moments asks for what was taken since.
-- transaction: no
CREATE INDEX CONCURRENTLY IF NOT EXISTS charges_by_time ON charges (created_at, key);
