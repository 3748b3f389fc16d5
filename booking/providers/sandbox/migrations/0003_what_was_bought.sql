-- What the caller wants to find again beside a charge.
ALTER TABLE charges ADD COLUMN metadata jsonb;
