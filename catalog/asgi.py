"""The catalog service as an app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from catalog import store
from catalog.composition import Catalog, opened
from catalog.routes import ROUTES
from chassis.http.service import service_app
from chassis.postgres.pool import connection
from chassis.problems import Problem
from chassis.wiring import Wiring


def create_app(wiring: Wiring) -> Litestar:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with opened(wiring) as catalog:
            app.state.catalog = catalog
            yield

    return service_app(
        "catalog",
        wiring,
        routes=ROUTES,
        lifespan=lifespan,
        ready=_ready,
        is_open=lambda app: not app.state.catalog.pool.is_closing(),
    )


async def _ready(app: Litestar) -> dict[str, bool]:
    catalog: Catalog = app.state.catalog
    try:
        async with connection(catalog.pool) as db:
            await store.ping(db)
    except Problem:
        return {"postgresql": False}
    return {"postgresql": True}
