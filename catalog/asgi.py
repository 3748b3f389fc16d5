"""The catalog as an app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from catalog import store
from catalog.reading import Reading
from catalog.routes import ROUTES
from catalog.seat_maps import SeatMaps
from catalog.terms import Terms
from catalog.workers import make_inbox
from chassis.http.service import service_app
from chassis.postgres.pool import connection, open_pool
from chassis.problems import Problem
from chassis.wiring import Wiring


def create_app(wiring: Wiring) -> Litestar:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        size = wiring.settings.database_pool_size
        pool = await open_pool(wiring.database_url, "catalog", size=size)
        app.state.pool = pool
        app.state.reading = Reading(pool)
        app.state.seat_maps = maps = SeatMaps(pool)
        app.state.terms = Terms(pool)
        app.state.inbox = make_inbox(pool)
        try:
            yield
        finally:
            maps.close()
            await pool.close()

    return service_app("catalog", wiring, routes=ROUTES, lifespan=lifespan, ready=_ready)


async def _ready(app: Litestar) -> dict[str, bool]:
    try:
        async with connection(app.state.pool) as db:
            await store.ping(db)
    except Problem:
        return {"postgresql": False}
    return {"postgresql": True}
