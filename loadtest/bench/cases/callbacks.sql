-- What the case `callbacks` does behind booking's back.

-- name: put_off!
-- The provider has accepted these payments, and nobody asks it before its callbacks have come.
UPDATE payments SET state = 'processing', ask_at = now() + interval '1 hour' WHERE state = 'created';
