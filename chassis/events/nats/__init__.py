"""NATS JetStream as the broker: one stream, one consumer per subscriber, one leader among processes."""
