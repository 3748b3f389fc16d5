-- A webhook of a sampled request carries its trace. NULL: not sampled, or stored by an older release.
ALTER TABLE webhook_events ADD COLUMN traceparent text;
