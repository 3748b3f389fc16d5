-- The W3C trace context of the request that caused an event, if it was traced.
ALTER TABLE outbox ADD COLUMN traceparent text;
