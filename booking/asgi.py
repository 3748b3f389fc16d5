"""Booking as an app."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from booking.composition import Booking, opened
from booking.routes import ROUTES
from booking.seats.live import LiveSeats
from booking.seats.store import database_now
from chassis.http.service import service_app
from chassis.problems import Problem
from chassis.wiring import Wiring

CLOCK_SET_EVERY_S = 10.0  # a machine's monotonic clock drifts by less than a millisecond meanwhile


def create_app(wiring: Wiring) -> Litestar:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with opened(wiring) as booking:
            app.state.booking = booking
            app.state.live_seats = LiveSeats(booking.holds)
            setting = asyncio.create_task(_keep_clock(booking))
            try:
                yield
            finally:
                setting.cancel()
                await asyncio.gather(setting, return_exceptions=True)
                await app.state.live_seats.close()

    async def ready(app: Litestar) -> dict[str, bool]:
        return await _ready(app) | await wiring.broker.dependencies()

    return service_app("booking", wiring, routes=ROUTES, lifespan=lifespan, ready=ready)


async def _keep_clock(booking: Booking) -> None:
    while True:
        await asyncio.sleep(CLOCK_SET_EVERY_S)
        with contextlib.suppress(Problem, TimeoutError):
            booking.clock.set(await database_now(booking.pool))


async def _ready(app: Litestar) -> dict[str, bool]:
    booking: Booking = app.state.booking
    answers = {"postgresql": True, "redis": True}
    try:
        await database_now(booking.pool)
    except Problem:
        answers["postgresql"] = False
    try:
        await booking.holds.calls.ping()
    except Problem:
        answers["redis"] = False
    return answers
