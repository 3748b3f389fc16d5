"""Outgoing webhooks: events of their shows for organizers' own systems (docs/webhooks.md)."""
