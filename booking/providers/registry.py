"""Which providers there are: every module of this package that has `open_provider`.

The word of the setting is the module's name and the webhook's path. A provider's module has

    open_provider(wiring, pool)     an async context manager that gives a Provider; `pool` is booking's
    read_settings(settings)         its own STAMPEDE_<NAME>_… settings; raises SettingsError
    run_background(wiring, stop)    optional: what it does in the worker until `stop`

Only the chosen one is imported.
"""

import asyncio
import importlib
import pkgutil
import re
from contextlib import AbstractAsyncContextManager
from typing import Any

from booking import providers
from booking.providers.protocol import Provider
from chassis.postgres.pool import Pool
from chassis.settings import Settings, SettingsError
from chassis.wiring import Wiring

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def check_settings(settings: Settings) -> None:
    """Raises SettingsError when there is no such provider, or naming every wrong setting of it."""
    _module(settings.payment_provider).read_settings(settings)


def open_provider(wiring: Wiring, pool: Pool) -> AbstractAsyncContextManager[Provider]:
    """The provider that the settings name, for as long as the context lasts."""
    opened: AbstractAsyncContextManager[Provider] = _module(
        wiring.settings.payment_provider
    ).open_provider(wiring, pool)
    return opened


async def run_background(wiring: Wiring, stop: asyncio.Event) -> None:
    """What the provider does in the worker, if anything, until `stop`."""
    run = getattr(_module(wiring.settings.payment_provider), "run_background", None)
    if run is not None:
        await run(wiring, stop)


def _module(name: str) -> Any:
    if _NAME.fullmatch(name):
        full_name = f"{providers.__name__}.{name}"
        try:
            found = importlib.import_module(full_name)
        except ModuleNotFoundError as missing:
            if missing.name != full_name:  # it is there and lacks a library: say which
                raise
        else:
            if hasattr(found, "open_provider") and found.__name__ != __name__:
                return found
    raise SettingsError([f"STAMPEDE_PAYMENT_PROVIDER must be one of {', '.join(_names())}."])


def _names() -> list[str]:
    """Looked for only when the name was wrong: importing them all costs a second."""
    modules = sorted(entry.name for entry in pkgutil.iter_modules(providers.__path__))
    return [
        name
        for name in modules
        if name != __name__.rpartition(".")[2]
        and hasattr(importlib.import_module(f"{providers.__name__}.{name}"), "open_provider")
    ]
