"""The apps that the web server loads in each of its processes: one factory per role.

Settings come from the environment. The process that started the embedded servers has added their URLs.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from chassis import settings
from chassis.draining import Drain
from chassis.http.measuring import measured
from chassis.http.pieces import in_pieces
from chassis.observability import logs
from chassis.observability.exposition import count_together
from chassis.observability.telemetry import exported
from chassis.process_memory import settle_memory
from chassis.seam.upstream import Receive, Scope, Send
from runtime.compose import Platform, compose
from runtime.draining import Drained
from runtime.listening import silent_takers_cut
from runtime.services import SERVICES
from runtime.wall.publishing import published

# Those that have Redis, and count what the wall shows.
ON_THE_WALL = frozenset({"web", "gateway", "booking"})

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def _configured() -> settings.Settings:
    loaded = settings.load()
    logs.configure(
        loaded.log_dir,
        log_format=loaded.log_format,
        files_max_bytes=loaded.log_files_max_mb * 1_000_000,
    )
    count_together()
    return loaded


def everything() -> App:
    """The gateway and all services in this process (`stampede up`)."""
    platform = compose(_configured(), SERVICES)
    return _gateway(platform, "web")


def gateway() -> App:
    """The gateway alone. Every service is reached over HTTP."""
    platform = compose(_configured(), ())
    return _gateway(platform, "gateway")


def identity() -> App:
    return _alone("identity")


def catalog() -> App:
    return _alone("catalog")


def booking() -> App:
    return _alone("booking")


def notification() -> App:
    return _alone("notification")


def sandbox() -> App:
    """The sandbox provider alone. It is not a service of the platform."""
    return Drained(AloneSandbox(_configured()), Drain())


def _gateway(platform: Platform, role: str) -> App:
    from gateway.asgi import create_gateway  # noqa: PLC0415  a service alone has no need of it

    gateway = create_gateway(platform.wiring, lambda: _settled(platform, role))
    return Drained(gateway, platform.wiring.drain)


def _alone(name: str) -> App:
    platform = compose(_configured(), (name,))
    return Drained(Alone(platform, name), platform.wiring.drain)


class Alone:
    """One service as its own server. Its lifespan also opens the clients of the others."""

    def __init__(self, platform: Platform, name: str) -> None:
        self._platform = platform
        self._name = name
        self._app = measured(name, in_pieces(platform.apps[name]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await run_lifespan(lambda: _settled(self._platform, self._name), receive, send)
        else:
            await self._app(scope, receive, send)


@asynccontextmanager
async def _settled(platform: Platform, role: str) -> AsyncIterator[None]:
    wiring = platform.wiring
    timeout_s = wiring.settings.unread_timeout_s
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            exported(wiring.tracer, "stampede" if role == "web" else role)
        )
        await stack.enter_async_context(wiring.vitals.shown(role))
        await stack.enter_async_context(platform.running())
        await stack.enter_async_context(silent_takers_cut(timeout_s))
        if role in ON_THE_WALL:
            await stack.enter_async_context(published(wiring.redis_url, role))
        settle_memory()
        yield


class AloneSandbox:
    """The sandbox provider as its own server: its app, and the sender of its webhooks."""

    def __init__(self, loaded: settings.Settings) -> None:
        self._loaded = loaded
        self._app: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await run_lifespan(self._running, receive, send)
        else:
            assert self._app is not None, "the lifespan must start first"
            await self._app(scope, receive, send)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        from booking.providers.sandbox import running_alone  # noqa: PLC0415  no other role needs it

        async with running_alone(self._loaded) as self._app:
            yield


async def run_lifespan(running: Callable[[], Any], receive: Receive, send: Send) -> None:
    """Runs the ASGI lifespan protocol around a context manager. A failed start is reported in one
    sentence."""
    await receive()
    try:
        async with running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
    except Exception as failure:
        await send({"type": "lifespan.startup.failed", "message": f"Cannot start: {failure}"})
        raise
    finally:
        logs.flush()
    await send({"type": "lifespan.shutdown.complete"})
