"""The sandbox: a payment provider of our own for trying things out, with a database schema of its own.

`adapter` is booking's side of the wire, `app` the provider's: they share no objects, only bytes.
Token `tok_declined` is declined; `tok_ok` and every other succeeds.
"""

from booking.providers.sandbox.adapter import open_provider

__all__ = ["open_provider"]
