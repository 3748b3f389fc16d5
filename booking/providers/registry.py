"""Finds the payment provider: every module of this package with `open_provider` is one.

The setting's value is the module's name, and part of the webhook's path. A provider's module has

    open_provider(wiring, pool)     an async context manager that gives a Provider; `pool` is booking's
    read_settings(settings)         its own STAMPEDE_<NAME>_… settings; raises SettingsError
    run_background(wiring, stop)    optional: its background work in the worker, until `stop`

Only the chosen module is imported.
"""

import asyncio
import importlib
import pkgutil
import re
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from booking import providers
from chassis.settings import Settings, SettingsError

if TYPE_CHECKING:  # who only checks the settings loads none of it
    from booking.providers.protocol import Provider
    from chassis.postgres.pool import Pool
    from chassis.wiring import Wiring

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def check_settings(settings: Settings) -> None:
    """Raises SettingsError if there is no such provider, or if its settings are wrong; names each of them."""
    _module(settings.payment_provider).read_settings(settings)


def open_provider(wiring: "Wiring", pool: "Pool") -> "AbstractAsyncContextManager[Provider]":
    """The provider that the settings choose; closed when the context ends."""
    opened: AbstractAsyncContextManager[Provider] = _module(
        wiring.settings.payment_provider
    ).open_provider(wiring, pool)
    return opened


async def run_background(wiring: "Wiring", stop: asyncio.Event) -> None:
    """Runs the provider's background work, if it has any, until `stop`."""
    run = getattr(_module(wiring.settings.payment_provider), "run_background", None)
    if run is not None:
        await run(wiring, stop)


def _module(name: str) -> Any:
    if _NAME.fullmatch(name):
        full_name = f"{providers.__name__}.{name}"
        try:
            found = importlib.import_module(full_name)
        except ModuleNotFoundError as missing:
            if missing.name != full_name:  # the module exists but misses a library: name it
                raise
        else:
            if hasattr(found, "open_provider") and found.__name__ != __name__:
                return found
    raise SettingsError([f"STAMPEDE_PAYMENT_PROVIDER must be one of {', '.join(_names())}."])


def _names() -> list[str]:
    """Called only after a wrong name: importing all modules takes a second."""
    modules = sorted(entry.name for entry in pkgutil.iter_modules(providers.__path__))
    return [
        name
        for name in modules
        if name != __name__.rpartition(".")[2]
        and hasattr(importlib.import_module(f"{providers.__name__}.{name}"), "open_provider")
    ]
