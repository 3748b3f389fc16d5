"""The identity service as an app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from chassis.http.service import service_app
from chassis.postgres.pool import connection
from chassis.problems import Overloaded
from chassis.wiring import Wiring
from identity.composition import UseCases, opened
from identity.hashing import HashingPool
from identity.routes import ROUTES


def create_app(wiring: Wiring, *, passwords: HashingPool | None = None) -> Litestar:
    """`passwords`: a hashing pool to use instead of the default one, sized by this process's share of the
    cores."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with opened(wiring, passwords) as use_cases:
            app.state.use_cases = use_cases
            yield

    return service_app(
        "identity",
        wiring,
        routes=ROUTES,
        lifespan=lifespan,
        ready=_ready,
        is_open=lambda app: not app.state.use_cases.pool.is_closing(),
    )


async def _ready(app: Litestar) -> dict[str, bool]:
    use_cases: UseCases = app.state.use_cases
    try:
        async with connection(use_cases.pool) as db:
            answered = await use_cases.store.answers(db)
    except Overloaded:  # includes Unavailable
        answered = False
    return {"postgresql": answered}
