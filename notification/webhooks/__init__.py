"""Outgoing webhooks: what organizers' own systems are told of their shows (docs/webhooks.md)."""
