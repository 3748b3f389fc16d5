-- What the caller wants to find again beside a charge, and lists by time: a caller whose database has lost
-- its last moments asks for what was taken since.
ALTER TABLE charges ADD COLUMN metadata jsonb;
CREATE INDEX charges_by_time ON charges (created_at, key);
CREATE INDEX refunds_by_time ON refunds (created_at, key);
