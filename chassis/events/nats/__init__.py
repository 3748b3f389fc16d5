"""NATS JetStream as the broker: one stream, a consumer by subscriber, one leader among processes."""
