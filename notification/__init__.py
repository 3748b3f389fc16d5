"""Notification: e-mail and SMS caused by events, and organizers' webhooks."""
