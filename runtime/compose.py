"""The composition root: which services are in this process, which are remote, and who consumes which
events.

`stampede up` puts everything into one process, `stampede serve X` one service, tests what they need. All
of them call `compose`.
"""

import importlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from chassis.events.broker import Broker, MemoryBroker, Subscriber
from chassis.events.nats.broker import NatsBroker
from chassis.observability.telemetry import tracer_of
from chassis.observability.tracer import Tracer
from chassis.seam.client import ServiceClient
from chassis.seam.direct import Way
from chassis.seam.upstream import HttpUpstream, Receive, Scope, Send, Upstream, Upstreams
from chassis.settings import Settings
from chassis.wiring import Wiring, wire
from runtime.services import PORTS, SERVICES

EVENTS_DEADLINE_S = 15.0  # time for a subscriber to handle a whole batch


class LocalUpstream:
    """A service in this process. Its app is set once it is built."""

    def __init__(self) -> None:
        self.app: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def ways(self) -> Mapping[tuple[str, str], Way]:
        """For the gateway in this process: see chassis.seam.direct."""
        found: Mapping[tuple[str, str], Way] = self.app.ways()
        return found


class Platform:
    """The apps of this process by name, and the wiring that they share."""

    def __init__(
        self, wiring: Wiring, apps: dict[str, Any], remote: Sequence[HttpUpstream]
    ) -> None:
        self.wiring = wiring
        self.apps = apps
        self._remote = remote

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Platform"]:
        """Opens the pools and clients of all apps here, and closes them in reverse order."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.wiring.broker.close)
            for upstream in self._remote:
                await upstream.open()
                stack.push_async_callback(upstream.close)
            for app in self.apps.values():
                await stack.enter_async_context(app.lifespan())
            yield self


def compose(settings: Settings, local: Sequence[str] = SERVICES) -> Platform:
    """Builds the services in `local`. The others are reached by their URLs."""
    upstreams: dict[str, Upstream] = {}
    for name in SERVICES:
        if name in local:
            upstreams[name] = LocalUpstream()
        else:
            url = getattr(settings, f"{name}_url") or f"http://127.0.0.1:{PORTS[name]}"
            upstreams[name] = HttpUpstream(url, dns_servers=settings.dns_servers)
    seam = Upstreams(**upstreams)
    tracer = tracer_of(settings)
    delivery = broker(settings, subscribers(seam), tracer=tracer)
    wiring = wire(settings, seam, delivery, tracer=tracer)
    apps = {}
    for name in SERVICES:
        upstream = upstreams[name]
        if isinstance(upstream, LocalUpstream):
            upstream.app = importlib.import_module(f"{name}.asgi").create_app(wiring)
            apps[name] = upstream.app
    remote = [one for one in upstreams.values() if isinstance(one, HttpUpstream)]
    return Platform(wiring, apps, remote)


def broker(
    settings: Settings, heard_by: Sequence[Subscriber], *, tracer: Tracer | None = None
) -> Broker:
    """NATS if it has a URL, else in memory. Connects only when an event is published or consumed."""
    if settings.nats_url is None:
        return MemoryBroker(heard_by)
    return NatsBroker(settings.nats_url, heard_by, database_url=settings.direct_url, tracer=tracer)


def subscribers(upstreams: Upstreams) -> list[Subscriber]:
    """Who consumes which events: each consumer's contract lists the types."""
    found = []
    for name in ("catalog", "notification"):
        contract = importlib.import_module(f"contracts.{name}")
        client = ServiceClient(getattr(upstreams, name), deadline_s=EVENTS_DEADLINE_S)
        found.append(Subscriber(name, client, frozenset(contract.SUBSCRIBES_TO)))
    return found
