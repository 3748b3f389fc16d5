"""Printers of tickets that a test gives to a running booking."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from booking.tickets.printing.print import Print
from booking.tickets.printing.printer import PagePrinter
from booking.tickets.showing import Lanes, Tickets, open_lanes
from tests.support.booking import BookingApp


class CountingPrinter(PagePrinter):
    """Remembers what it drew."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[str] = []

    def draw(self, ticket: Print) -> bytes:
        self.drawn.append(ticket.ticket_id)
        return super().draw(ticket)


class HeldPrinter(PagePrinter):
    """Pages that are drawn when the test says so. `began`: the first one is under way."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self.began, self._go = asyncio.Event(), threading.Event()
        self.order: list[str] = []

    def draw(self, ticket: Print) -> bytes:
        self._loop.call_soon_threadsafe(self.began.set)
        self._go.wait(20)
        self.order.append(ticket.ticket_id)
        return b"%PDF-"

    def let_go(self) -> None:
        self._go.set()


class WatchedLane:
    """Says when a job has been lined up, or refused; `lined_up[owner]` for the first of an owner."""

    def __init__(self, lane: Any) -> None:
        self._lane = lane
        self.came = asyncio.Semaphore(0)
        self.lined_up: defaultdict[UUID, asyncio.Event] = defaultdict(asyncio.Event)

    async def get(self, owner: UUID, job: Any) -> bytes:
        # who waits for these goes on once the call below waits itself: the job stands in its line
        self.lined_up[owner].set()
        self.came.release()
        drawn: bytes = await self._lane.get(owner, job)
        return drawn


@asynccontextmanager
async def printing_with(
    app: BookingApp, printer: PagePrinter, *, one_lane: bool = False
) -> AsyncIterator[WatchedLane]:
    """The app prints by this one. one_lane: takes the mechanism out, codes wait behind pages."""
    services, before = app.services, app.services.tickets
    async with open_lanes(printer) as lanes:
        pages: Any = WatchedLane(lanes.pages)
        pictures = pages if one_lane else lanes.pictures
        app.rewire(
            tickets=Tickets(services.pool, services.codes, Lanes(pictures, pages), services.readers)
        )
        yield pages
        app.rewire(tickets=before)
