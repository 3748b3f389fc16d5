-- The W3C trace context of the request that caused an event, if it was traced. The archive does not keep it:
-- an event that is replayed later is no part of that request any more.
ALTER TABLE outbox ADD COLUMN traceparent text;
