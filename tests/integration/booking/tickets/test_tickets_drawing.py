"""Pages and codes are drawn past each other, pages by a process that may die."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest

from booking.tickets.printing.printer import PROGRAM, PagePrinter
from booking.tickets.showing import PAGES_EACH_MAX
from tests.support.booking import BookingApp, running_booking
from tests.support.printing import HeldPrinter, printing_with


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


async def tickets_of(app: BookingApp, user: UUID, count: int) -> list[str]:
    session_id = app.neighbours.publish(max_tickets_per_user=20)
    order = await app.order(user, session_id, seats=list(range(1, count + 1)))
    paid = await app.pay(user, order.json["order_id"])
    return [ticket["ticket_id"] for ticket in paid.json["tickets"]]


async def flood(app: BookingApp, user: UUID, tickets: list[str]) -> "list[asyncio.Task[Any]]":
    """All pages of one person asked for at once; the first is under way when this returns."""
    return [
        asyncio.create_task(app.get(f"/tickets/{one}/ticket.pdf", user=user)) for one in tickets
    ]


async def test_a_code_does_not_wait_for_pages_nor_one_persons_page_for_anothers(
    app: BookingApp,
) -> None:
    hostile, other = uuid4(), uuid4()
    many, (mine,) = await tickets_of(app, hostile, 10), await tickets_of(app, other, 1)
    held = HeldPrinter()
    async with printing_with(app, held) as pages:
        try:
            asked = await flood(app, hostile, many)
            await held.began.wait()
            code = await app.get(f"/tickets/{mine}/qr.png", user=other)
            assert (code.status, code.body[:4]) == (200, b"\x89PNG")
            page = asyncio.create_task(app.get(f"/tickets/{mine}/ticket.pdf", user=other))
            for _ in range(len(many) + 1):  # all of them, before the first page is let go
                await pages.came.acquire()
            done, _ = await asyncio.wait(asked, return_when="FIRST_COMPLETED")
            refused = [task.result() for task in done]
        finally:
            held.let_go()
        assert {(one.status, one.code) for one in refused} == {(503, "overloaded")}
        assert "retry-after" in refused[0].headers
        answers = await asyncio.gather(*asked)
        served = [one.status for one in answers].count(200)
        assert served in {PAGES_EACH_MAX, PAGES_EACH_MAX + 1}, "the one under way, and the line"
        assert (await page).status == 200
    assert held.order.index(mine) <= 2, "after the one under way and perhaps one that was before it"


async def test_control_in_one_lane_a_code_waits_for_every_page(
    app: BookingApp,
) -> None:
    """The mutation control of the test above."""
    user, friend = uuid4(), uuid4()
    (first,), (second,) = await tickets_of(app, user, 1), await tickets_of(app, friend, 1)
    held = HeldPrinter()
    async with printing_with(app, held, one_lane=True) as lane:
        try:
            asked = await flood(app, user, [first])
            await held.began.wait()
            code = asyncio.create_task(app.get(f"/tickets/{second}/qr.png", user=friend))
            await lane.lined_up[friend].wait()
            assert not code.done()
        finally:
            held.let_go()
        await asyncio.gather(*asked, code, return_exceptions=True)


def printers() -> list[psutil.Process]:
    children = psutil.Process().children()  # not those of servers that other tests share
    return [one for one in children if PROGRAM in " ".join(_words(one))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it has ended, or is a zombie
        return []


async def test_a_page_whose_printer_dies_under_it_is_drawn_by_another(app: BookingApp) -> None:
    user = uuid4()
    first, second, third = await tickets_of(app, user, 3)
    async with printing_with(app, PagePrinter()) as pages:
        drawn = await app.get(f"/tickets/{first}/ticket.pdf", user=user)
        assert drawn.body.startswith(b"%PDF-")
        (printer,) = printers()
        printer.suspend()  # so that it has the page in hand, and never answers
        pages.lined_up[user].clear()
        asked = asyncio.create_task(app.get(f"/tickets/{second}/ticket.pdf", user=user))
        await pages.lined_up[user].wait()
        printer.kill()
        drawn = await asked
        assert (drawn.status, drawn.body[:5]) == (200, b"%PDF-")
        assert (await app.get(f"/tickets/{third}/ticket.pdf", user=user)).status == 200
        assert [one.pid for one in printers()] != [printer.pid]


async def test_a_page_that_never_ends_is_given_up_and_the_next_one_is_drawn(
    app: BookingApp,
) -> None:
    user = uuid4()
    first, second = await tickets_of(app, user, 2)
    async with printing_with(app, PagePrinter(answer_s=0.1)):
        assert (await app.get(f"/tickets/{first}/ticket.pdf", user=user)).status == 200
        (printer,) = printers()
        printer.suspend()
        given_up = await app.get(f"/tickets/{second}/ticket.pdf", user=user)
        assert (given_up.status, given_up.code) == (503, "unavailable")
        assert not printer.is_running()
        assert (await app.get(f"/tickets/{second}/ticket.pdf", user=user)).status == 200


async def test_a_printer_that_went_is_started_again_with_the_next_page(app: BookingApp) -> None:
    user = uuid4()
    first, second = await tickets_of(app, user, 2)
    assert (await app.get(f"/tickets/{first}/ticket.pdf", user=user)).status == 200
    (printer,) = printers()
    printer.terminate()  # as it ends by itself a minute later
    await asyncio.to_thread(printer.wait, 20)
    assert (await app.get(f"/tickets/{second}/ticket.pdf", user=user)).status == 200


async def test_the_printer_ends_with_the_service(database_url: str, redis_url: str) -> None:
    user = uuid4()
    async with running_booking(database_url, redis_url) as app:
        (ticket,) = await tickets_of(app, user, 1)
        assert printers() == []  # it is started with the first page
        assert (await app.get(f"/tickets/{ticket}/ticket.pdf", user=user)).status == 200
        assert len(printers()) == 1
    assert printers() == []
