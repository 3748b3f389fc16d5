-- What the caller wants to find again beside a charge: a caller whose database has lost its last moments lists what
-- was taken since. No index for that: it is asked for once, of a provider for tests and demos.
ALTER TABLE charges ADD COLUMN metadata jsonb;
