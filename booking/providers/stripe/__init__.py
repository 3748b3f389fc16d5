"""Stripe (stripe.com) through its own SDK: payment intents, refunds, signed events."""

from booking.providers.stripe.provider import open_provider, read_settings

__all__ = ["open_provider", "read_settings"]
