"""Tickets over real stores: who sees them, and what their pictures hold."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pypdfium2
import pytest

from booking.tickets.codes import TicketCodes, make_keys
from booking.tickets.store import load_signing_keys
from tests.support.booking import BookingApp, at_once, booking_tables, running_booking
from tests.support.printing import CountingPrinter, printing_with

USER, OTHER = uuid4(), uuid4()
VARIES = {True: "Authorization", False: "Authorization, Accept-Language"}  # a picture has no words


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
async def ticket(app: BookingApp) -> Any:
    order_id = (await app.order(USER, app.neighbours.publish(), seats=[1])).json["order_id"]
    return (await app.pay(USER, order_id)).json["tickets"][0]


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    text: str = document[0].get_textpage().get_text_bounded()
    document.close()
    return text


async def test_a_ticket_says_where_and_when_and_nothing_of_the_person(
    app: BookingApp, ticket: Any
) -> None:
    whole = (await app.get(f"/tickets/{ticket['ticket_id']}", user=USER)).json
    assert (whole["title"], whole["venue"]) == ("周杰伦 2026 世界巡回演唱会", "上海体育场")
    assert (whole["area"], whole["row"], whole["number"], whole["status"]) == (
        "VIP A区",
        "1",
        1,
        "valid",
    )
    said = app.services.codes.read(whole["code"])
    assert str(said.ticket_id) == whole["ticket_id"]
    assert str(said.session_id) == whole["session_id"]


async def test_the_link_opens_the_picture_without_logging_in(app: BookingApp, ticket: Any) -> None:
    link = urlsplit(ticket["qr_code"])
    path = link.path.removeprefix("/api/v1")
    png = await app.get(f"{path}?{link.query}")
    assert (png.status, png.headers["content-type"]) == (200, "image/png")
    assert png.body.startswith(b"\x89PNG\r\n\x1a\n")
    assert png.headers["cache-control"].startswith("private")
    svg = await app.get(f"{path.replace('.png', '.svg')}?{link.query}")
    assert svg.headers["content-type"].startswith("image/svg+xml")
    assert b"<svg" in svg.body
    other = f"/tickets/{uuid4()}/qr.png?{link.query}"
    for closed in (path, f"{path}?t=", f"{path}?t={'A' * 22}", f"{path}?t=%C3%BF", other):
        assert (await app.get(closed)).status == 401, closed


async def test_a_link_that_is_too_long_is_refused_by_the_name_it_was_sent_by(
    app: BookingApp, ticket: Any
) -> None:
    for name in ("qr.svg", "qr.png", "ticket.pdf", "ticket.ics"):
        refused = await app.get(f"/tickets/{ticket['ticket_id']}/{name}?t={'x' * 65}")
        assert refused.status == 400
        assert [error["field"] for error in refused.json["errors"]] == ["t"]


async def test_a_ticket_is_its_owners(app: BookingApp, ticket: Any) -> None:
    path = f"/tickets/{ticket['ticket_id']}"
    for below in ("", "/qr.svg", "/qr.png", "/ticket.pdf", "/ticket.ics"):
        assert (await app.get(path + below, user=USER)).status == 200
        foreign = await app.get(path + below, user=OTHER)
        assert (foreign.status, foreign.code) == (404, "not-found")
    assert (await app.get(path)).status == 401


async def test_many_processes_starting_at_once_make_one_set_of_keys(
    app: BookingApp, database_url: str
) -> None:
    async with booking_tables(database_url) as tables:
        await tables.execute("DELETE FROM signing_keys")
        pool = app.services.pool
        found = await at_once([load_signing_keys(pool, make_keys) for _ in range(5)])
        assert all(keys == found[0] for keys in found)
        assert await tables.fetchval("SELECT count(*) FROM signing_keys") == 2


async def test_codes_of_an_older_key_are_still_read(app: BookingApp, ticket: Any) -> None:
    code = (await app.get(f"/tickets/{ticket['ticket_id']}", user=USER)).json["code"]
    old = await load_signing_keys(app.services.pool, make_keys)
    codes = TicketCodes([*old, *make_keys()], "http://x")
    assert codes.read(code).ticket_id == UUID(ticket["ticket_id"])
    assert codes.code(uuid4(), uuid4()).split(".")[1] != code.split(".")[1]


async def test_a_seat_has_one_valid_ticket_whatever_the_code_does(
    app: BookingApp, ticket: Any, database_url: str
) -> None:
    again = (
        "INSERT INTO tickets (ticket_id, order_id, session_id, seat_id, user_id, code)"
        " SELECT $1, order_id, session_id, seat_id, user_id, 'x' FROM tickets"
    )
    async with booking_tables(database_url) as tables:
        with pytest.raises(asyncpg.UniqueViolationError) as refused:
            await tables.execute(again, uuid4())
        assert refused.value.constraint_name == "tickets_one_valid_per_seat"
        await tables.execute("UPDATE tickets SET status = 'void'")
        await tables.execute(again, uuid4())
        assert await tables.fetchval("SELECT count(*) FROM tickets") == 2


async def test_a_ticket_is_printed_and_put_into_a_calendar_by_its_links(
    app: BookingApp, ticket: Any
) -> None:
    printer = CountingPrinter()
    async with printing_with(app, printer):
        whole = (await app.get(f"/tickets/{ticket['ticket_id']}", user=USER)).json
        for name, kind, begin in (
            ("pdf", "application/pdf", b"%PDF-"),
            ("calendar", "text/calendar; charset=utf-8", b"BEGIN:VCALENDAR"),
        ):
            link = urlsplit(whole[name])
            path = link.path.removeprefix("/api/v1")
            opened = await app.get(f"{path}?{link.query}")
            assert (opened.status, opened.headers["content-type"]) == (200, kind)
            assert opened.body.startswith(begin)
            assert opened.headers["content-disposition"].startswith('inline; filename="ticket-')
            assert opened.headers["cache-control"].startswith("private")
            assert (await app.get(path)).status == 401
            assert (await app.get(f"{path}?{link.query}", user=OTHER)).status == 200
        again = await app.get(f"/tickets/{ticket['ticket_id']}/ticket.pdf", user=USER)
        assert again.status == 200
    assert printer.drawn == [ticket["ticket_id"]], "it is not drawn twice"


async def test_an_order_goes_into_a_calendar_once_it_is_paid(app: BookingApp) -> None:
    order = (await app.order(USER, app.neighbours.publish(), seats=[1, 2])).json
    path = f"/orders/{order['order_id']}/calendar.ics"
    assert (await app.get(path, user=USER)).status == 404
    await app.pay(USER, order["order_id"])
    entry = (await app.get(path, user=USER)).body.decode()
    assert f"UID:order-{order['order_id']}@stampede" in entry
    assert "周杰伦 2026" in entry
    assert (await app.get(path, user=OTHER)).status == 404
    assert (await app.get(path)).status == 401


async def test_paper_and_calendars_are_in_the_language_that_their_reader_chose(
    app: BookingApp, ticket: Any
) -> None:
    """What the owner chose, then what their browser asks for, then the default; once an answer has come."""
    app.neighbours.locales[OTHER] = "en"
    order_id = (await app.order(OTHER, app.neighbours.publish(), seats=[1])).json["order_id"]
    english = (await app.pay(OTHER, order_id)).json["tickets"][0]
    for owner, own, seat, order in (
        (USER, ticket, "VIP A区 1排1座", "订单"),
        (OTHER, english, r"VIP A区\, row 1\, seat 1", "Order"),
    ):
        path = f"/tickets/{own['ticket_id']}"
        whole = (await app.get(path, user=owner)).json
        link = urlsplit(whole["calendar"]).query
        for accepts in ("zh", "en", "tlh"):
            headers = {"accept-language": accepts}
            entry = (await app.get(f"{path}/ticket.ics?{link}", headers=headers)).body.decode()
            together = await app.get(
                f"/orders/{whole['order_id']}/calendar.ics", user=owner, headers=headers
            )
            for said in (entry, together.body.decode()):
                assert seat in said
                assert order in said
            page = await app.get(f"{path}/ticket.pdf?{link}", headers=headers)
            assert order in text_of(page.body)


async def test_while_accounts_cannot_be_asked_the_browser_says_which_language(
    database_url: str, redis_url: str
) -> None:
    async with running_booking(database_url, redis_url, default_language="en") as app:
        order_id = (await app.order(USER, app.neighbours.publish(), seats=[1])).json["order_id"]
        ticket = (await app.pay(USER, order_id)).json["tickets"][0]
        link = urlsplit(ticket["qr_code"]).query
    async with running_booking(database_url, redis_url, default_language="en") as app:
        app.neighbours.identity_is_away = True
        for accepts, word in (("zh-CN", "订单"), ("en", "Order"), ("tlh", "Order")):
            entry = await app.get(
                f"/tickets/{ticket['ticket_id']}/ticket.ics?{link}",
                headers={"accept-language": accepts},
            )
            assert word in entry.body.decode(), accepts


async def test_the_public_keys_verify_what_the_private_ones_signed(app: BookingApp) -> None:
    keys = await app.get("/tickets/keys")
    assert keys.headers["cache-control"] == "public, max-age=300"
    (key,) = keys.json["keys"]
    assert {key["kty"], key["crv"], key["alg"], key["use"]} == {"OKP", "Ed25519", "EdDSA", "sig"}
    assert set(key) == {"kid", "x", "kty", "crv", "alg", "use"}, "nothing private"


async def test_what_a_token_opens_is_kept_by_nobody_and_what_a_link_opens_for_a_while(
    app: BookingApp, ticket: Any
) -> None:
    """Two people at one browser: a good link may be kept, a bad one beside a good token may not."""
    link = urlsplit(ticket["qr_code"]).query
    for name in ("qr.svg", "qr.png", "ticket.pdf", "ticket.ics"):
        path = f"/tickets/{ticket['ticket_id']}/{name}"
        for query in ("", "?t=", f"?t={'A' * 22}"):
            own = await app.get(path + query, user=USER)
            assert (own.status, own.headers["cache-control"]) == (200, "no-store"), (name, query)
            assert own.headers["vary"] == VARIES[name[:2] == "qr"], name
            assert (await app.get(path + query, user=OTHER)).status == 404
        linked = await app.get(f"{path}?{link}")
        assert linked.headers["cache-control"] == "private, max-age=300"
        assert linked.headers["vary"] == VARIES[name[:2] == "qr"], name
    order_id = (await app.get(f"/tickets/{ticket['ticket_id']}", user=USER)).json["order_id"]
    entry = await app.get(f"/orders/{order_id}/calendar.ics", user=USER)
    assert (entry.status, entry.headers["cache-control"]) == (200, "no-store")
