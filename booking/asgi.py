"""Booking's ASGI app."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from booking.composition import Booking, OpenProvider, opened
from booking.operations.controls import READ_INTERVAL_S
from booking.providers.registry import open_provider
from booking.routes import ROUTES
from booking.seats.live import LiveSeats
from booking.seats.store import database_now
from booking.wall.collecting import Collector, keep_collecting
from booking.wall.feed import WallFeed
from booking.wall.seats import SeatBoard
from chassis.concurrency.rounds import repeat
from chassis.http.service import service_app
from chassis.observability import logs
from chassis.problems import Problem
from chassis.wiring import Wiring

CLOCK_SET_INTERVAL_S = (
    10.0  # a machine's monotonic clock drifts by less than a millisecond meanwhile
)

log = logs.get("booking")


def create_app(
    wiring: Wiring,
    *,
    open_provider: OpenProvider = open_provider,
    controls_interval_s: float = READ_INTERVAL_S,
) -> Litestar:
    """`open_provider`: who takes the money, if not the provider that the settings name.
    `controls_interval_s`: how often the controls of sales are read."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with opened(wiring, open_provider=open_provider) as booking:
            app.state.booking = booking
            app.state.live_seats = LiveSeats(
                booking.holds, is_paused=booking.operations.controls.is_paused
            )
            app.state.wall_feed = WallFeed(booking.holds.calls)
            board = SeatBoard(
                booking.holds,
                booking.sessions,
                booking.clock,
                is_paused=booking.operations.controls.is_paused,
            )
            collector = Collector(booking.holds.calls, board)
            background = [
                asyncio.create_task(_keep_clock(booking)),
                asyncio.create_task(booking.operations.controls.keep_read(controls_interval_s)),
                asyncio.create_task(keep_collecting(collector)),
            ]
            try:
                yield
            finally:
                for one in background:
                    one.cancel()
                await asyncio.gather(*background, return_exceptions=True)
                await app.state.wall_feed.close()
                await app.state.live_seats.close()

    async def ready(app: Litestar) -> dict[str, bool]:
        return await _ready(app) | await wiring.broker.dependencies()

    return service_app(
        "booking",
        wiring,
        routes=ROUTES,
        lifespan=lifespan,
        ready=ready,
        is_open=lambda app: not app.state.booking.pool.is_closing(),
    )


async def _keep_clock(booking: Booking) -> None:
    """It was set when booking was opened. While PostgreSQL is away, the machine's own clock runs on."""

    async def set_clock() -> None:
        booking.clock.set(await database_now(booking.pool))

    def failed(failure: Exception, _failures: int) -> None:
        if not isinstance(failure, (Problem, TimeoutError)):
            log.error("clock_not_set", exc_info=failure)

    await asyncio.sleep(CLOCK_SET_INTERVAL_S)
    await repeat(
        set_clock,
        None,
        interval_s=CLOCK_SET_INTERVAL_S,
        retry=CLOCK_SET_INTERVAL_S,
        failed=failed,
    )


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
