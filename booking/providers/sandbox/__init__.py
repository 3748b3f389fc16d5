"""The sandbox: a payment provider of our own for trying things out, with a database schema of its own.

`adapter` is booking's side of the wire, `app` and `deliverer` the provider's: they share no objects,
only bytes. Tokens: `tok_declined` is declined, `tok_async` and `tok_async_declined` are so later, by
webhook, `tok_timeout` takes the money and never answers the call; `tok_ok` and every other succeeds.
"""

from booking.providers.sandbox.opening import (
    open_provider,
    read_settings,
    run_background,
    running_alone,
)

__all__ = ["open_provider", "read_settings", "run_background", "running_alone"]
