"""A gateway with a change that takes its time, for a web server to load: `tests.support.unhurried:app`.

In the directory of UNHURRIED, the change makes `begun`, waits for `go_on`, and makes `committed` or
`cancelled`.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from litestar import post
from litestar.params import FromPath, RawBody

from chassis.auth.access import PUBLIC, TOKEN_IGNORED, access
from chassis.events.broker import MemoryBroker
from chassis.http.service import service_app
from chassis.seam.upstream import Upstreams
from chassis.wiring import wire
from gateway.asgi import Gateway
from runtime.compose import LocalUpstream
from runtime.draining import Drained
from tests.support.gateway import Identity, Service, settings_for

DIRECTORY = "UNHURRIED"
REDIS = "UNHURRIED_REDIS"
PATH = "/api/v1/payments/webhooks/anybody"


def app() -> Drained:
    directory = Path(os.environ[DIRECTORY])

    @post(
        "/api/v1/payments/webhooks/{provider:str}",
        operation_id="take",
        status_code=200,
        opt=access(PUBLIC, TOKEN_IGNORED, straight=True),
    )
    async def take(provider: FromPath[str], body: RawBody) -> dict[str, str]:
        (directory / "begun").touch()
        try:
            while not (directory / "go_on").exists():  # noqa: ASYNC110  a test in another process makes it
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            (directory / "cancelled").touch()
            raise
        (directory / "committed").touch()
        return {"provider": provider, "body": body.decode()}

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        (directory / "closed").touch()

    async def ready(_: Any) -> dict[str, bool]:
        return {}

    booking = LocalUpstream()
    upstreams = Upstreams(
        identity=Identity(),
        booking=booking,
        catalog=Service("catalog"),
        notification=Service("notification"),
    )
    wiring = wire(settings_for(os.environ[REDIS]), upstreams, MemoryBroker([]))
    booking.app = service_app("booking", wiring, routes=[take], lifespan=lifespan, ready=ready)
    return Drained(Gateway(wiring, booking.app.lifespan), wiring.drain)
