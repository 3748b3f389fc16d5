-- Changes that the case `callbacks` makes to booking's tables directly.

-- name: put_off!
-- The provider has accepted these payments. The reconciler does not ask before the callbacks have come.
UPDATE payments SET state = 'processing', ask_at = now() + interval '1 hour' WHERE state = 'created';
