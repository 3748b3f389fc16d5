-- The sandbox provider's behaviour.

-- name: put_controls!
UPDATE controls SET changes = :changes::text::jsonb;
