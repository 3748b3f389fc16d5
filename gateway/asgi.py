"""The gateway as an ASGI app: `create_gateway(wiring, inner)`. The composition root calls it.

`inner` opens everything behind the gateway: the services of this process, and clients of remote
services. It is entered before the first request and left after the last one.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from chassis.observability import logs
from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Servers
from chassis.seam.upstream import Receive, Scope, Send
from chassis.wiring import Wiring
from gateway.edge import Edge, Patience
from gateway.http.compression import Compression
from gateway.protection.gate import SCRIPTS

REDIS_TIMEOUT_S = 0.5  # Longest wait for Redis. After that, this process counts the request alone.

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Inner = AbstractAsyncContextManager[Any] | Callable[[], AbstractAsyncContextManager[Any]]

log = logs.get("gateway")


def create_gateway(wiring: Wiring, inner: Inner) -> App:
    return Gateway(wiring, inner)


class Gateway:
    """Serves `lifespan` and `http`. Closes WebSockets and raises on other scopes."""

    def __init__(
        self,
        wiring: Wiring,
        inner: Inner,
        *,
        patience: Patience | None = None,
        compression: Compression | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._compression = compression
        self._wiring = wiring
        self._inner = inner
        self._edge: Edge | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self._edge is None:
                raise RuntimeError("The gateway serves only within its lifespan.")
            await self._edge.handle(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send(
                {"type": "websocket.close", "code": 1008, "reason": "WebSockets are not supported."}
            )
        else:
            raise ValueError(f"unknown ASGI scope {scope['type']!r}")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Edge]:
        """Opens everything that the gateway needs, and closes it in reverse order."""
        async with AsyncExitStack() as stack:
            inner = self._inner
            # Not `callable(inner)`: a context manager made by contextlib is callable too, as a
            # decorator.
            opened = inner if isinstance(inner, AbstractAsyncContextManager) else inner()
            await stack.enter_async_context(opened)
            servers = Servers(self._wiring.redis_url)
            redis = RedisCalls(servers, SCRIPTS, answer_timeout_s=REDIS_TIMEOUT_S)
            stack.push_async_callback(redis.close)
            edge = Edge(self._wiring, redis, patience=self._patience, compression=self._compression)
            await stack.enter_async_context(edge.revocations.kept_fresh())
            await stack.enter_async_context(edge.reporting.running())
            stack.push_async_callback(edge.forwarder.drain)
            self._edge = edge
            try:
                yield edge
            finally:
                self._edge = None

    async def _live(self, receive: Receive, send: Send) -> None:
        """Runs the lifespan protocol. A failed start is reported in one sentence."""
        await receive()
        running = self.running()
        try:
            await running.__aenter__()
        except Exception as failure:
            log.error("start_failed", exc_info=failure)
            logs.flush()
            await send({"type": "lifespan.startup.failed", "message": _sentence(failure)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await running.__aexit__(None, None, None)
        except Exception as failure:
            log.error("stop_failed", exc_info=failure)
            await send({"type": "lifespan.shutdown.failed", "message": _sentence(failure)})
        else:
            await send({"type": "lifespan.shutdown.complete"})
        finally:
            logs.flush()


def _sentence(failure: Exception) -> str:
    lines = str(failure).strip().splitlines()
    return f"Cannot start: {lines[0] if lines else type(failure).__name__}"
