"""Which providers there are: by the word that the setting and the webhook's path have."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from booking.providers import sandbox
from booking.providers.protocol import Provider
from chassis.wiring import Wiring

OPENERS: dict[str, Callable[[Wiring], AbstractAsyncContextManager[Provider]]] = {
    "sandbox": sandbox.open_provider,
}
