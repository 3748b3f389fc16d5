"""The sandbox: our own payment provider for tests and demos, with its own database schema.

`adapter` is booking's side, `app` and `deliverer` are the provider's side; they share no objects, only bytes.
Tokens: `tok_declined` is declined. `tok_async` succeeds later and `tok_async_declined` is declined later, by
webhook. `tok_timeout` takes the money and never answers the call. `tok_slow` answers after
1.5 s; `tok_broken` fails without taking money. `tok_ok` and every other token succeed.
"""

from booking.providers.sandbox.opening import (
    open_provider,
    read_settings,
    run_background,
    running_alone,
)

__all__ = ["open_provider", "read_settings", "run_background", "running_alone"]
