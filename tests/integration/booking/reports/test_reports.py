"""What an organizer reads of their own session: orders, attendees, sales."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from contracts.catalog import AreaTerms
from tests.support.booking import (
    SEATED,
    STANDING,
    BookingApp,
    booking_tables,
    is_sound,
    let_time_pass,
    running_booking,
    until_one_waits,
)
from tests.support.catalog import waiting
from tests.support.refunds import (
    LET_IN,
    PRICE,
    ask_back,
    bought,
    organizer_of,
    set_policy,
)

STANDING_PRICE = 68_000


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
def session_id(app: BookingApp) -> UUID:
    made = app.neighbours.publish()
    organizer_of(app, made)
    return made


async def read(app: BookingApp, session_id: UUID, what: str) -> Any:
    answer = await app.get(f"/sessions/{session_id}/{what}", user=organizer_of(app, session_id))
    assert answer.status == 200, answer
    return answer.json


async def walk(app: BookingApp, session_id: UUID, what: str, query: str = "") -> list[Any]:
    """All of a list, two a page, by its cursor."""
    found, cursor = [], None
    for _ in range(20):
        at = f"{what}?page_size=2{query}" + (f"&cursor={cursor}" if cursor else "")
        page = await read(app, session_id, at)
        found += page[what]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
        assert len(page[what]) == 2
    raise AssertionError("the list has no end")


async def test_orders_of_a_session_are_listed_with_buyer_seats_and_money(
    app: BookingApp, session_id: UUID
) -> None:
    set_policy(app, session_id, fee_kind="percent", fee=10)
    first, paid = await bought(app, session_id, seats=(1, 2))
    app.neighbours.names[first] = "Ada"
    second = uuid4()
    held = (await app.order(second, session_id, area=STANDING, quantity=1)).json
    await bought(app, app.neighbours.publish())  # of another session
    back = await ask_back(
        app, first, paid["order_id"], ticket_ids=[paid["tickets"][0]["ticket_id"]]
    )
    page = await read(app, session_id, "orders")
    assert (page["page"], page["page_size"], page["total"], page["next_cursor"]) == (1, 20, 2, None)
    newest, oldest = page["orders"]
    assert newest["buyer"] == {"user_id": str(second), "name": "王小明", "email": "a@example.com"}
    assert (newest["order_no"], newest["status"], newest["total_amount"]) == (
        held["order_no"],
        "pending_payment",
        STANDING_PRICE,
    )
    assert newest["paid_at"] is None
    assert oldest["buyer"]["name"] == "Ada"
    assert (oldest["order_id"], oldest["status"]) == (paid["order_id"], "paid")
    assert [item["seat_id"] for item in oldest["items"]] == [1, 2]
    assert oldest["items"][0] | {"area_id": ""} == {
        "seat_id": 1,
        "area_id": "",
        "area": "VIP A区",
        "row": "1",
        "number": 1,
        "price": PRICE,
        "paid": PRICE,
    }
    money = PRICE - PRICE // 10
    assert (oldest["total_amount"], oldest["refunded_amount"]) == (2 * PRICE, money)
    (refund,) = oldest["refunds"]
    assert (refund["refund_id"], refund["amount"]) == (back.json["refund_id"], money)
    assert "code" not in str(page).replace("promo_code", "")


async def test_orders_are_walked_newest_first_and_filtered(
    app: BookingApp, session_id: UUID, database_url: str
) -> None:
    orders = [
        (await app.order(uuid4(), session_id, seats=[seat])).json["order_id"]
        for seat in range(1, 6)
    ]
    async with booking_tables(database_url) as tables:
        await let_time_pass(tables, orders[1])  # no sweeper has come by
    assert [one["order_id"] for one in await walk(app, session_id, "orders")] == orders[::-1]
    late = await walk(app, session_id, "orders", "&status=cancelled")
    assert [(one["order_id"], one["cancel_reason"]) for one in late] == [(orders[1], "unpaid")]
    waiting = await walk(app, session_id, "orders", "&status=pending_payment")
    assert [one["order_id"] for one in waiting] == [orders[n] for n in (4, 3, 2, 0)]
    second = await read(app, session_id, "orders?page=2&page_size=2")
    assert [one["order_id"] for one in second["orders"]] == [orders[2], orders[1]]
    assert second["total"] == 5
    fresh = await app.order(uuid4(), session_id, seats=[6])
    assert (await read(app, session_id, "orders"))["total"] == 6  # counted anew
    rest = await read(app, session_id, f"orders?cursor={second['next_cursor']}")
    assert [one["order_id"] for one in rest["orders"]] == [orders[0]]
    assert fresh.status == 201


async def test_attendees_are_the_good_tickets_in_seat_order_and_who_holds_them(
    app: BookingApp, session_id: UUID, database_url: str
) -> None:
    owner, paid = await bought(app, session_id, seats=(4, 2, 3))
    friend = uuid4()
    app.neighbours.emails["friend@example.com"] = friend
    app.neighbours.names |= {owner: "Ada", friend: "Bob"}
    tickets = {one["seat_id"]: one["ticket_id"] for one in paid["tickets"]}
    given = await app.post(
        f"/tickets/{tickets[3]}/transfer", {"to_email": "friend@example.com"}, user=owner
    )
    assert given.status == 201, given
    await ask_back(app, owner, paid["order_id"], ticket_ids=[tickets[2]])
    other, standing = await bought(app, session_id, seats=(23,))
    async with booking_tables(database_url) as tables:
        await tables.execute(LET_IN, UUID(tickets[4]))
        await tables.execute("UPDATE tickets SET gate = '北门' WHERE status = 'checked_in'")
    page = await read(app, session_id, "attendees")
    assert (page["total"], page["next_cursor"]) == (3, None)
    seen = [(one["seat_id"], one["holder"]["name"], one["status"]) for one in page["attendees"]]
    assert seen == [(3, "Bob", "valid"), (4, "Ada", "checked_in"), (23, "王小明", "valid")]
    entered = page["attendees"][1]
    assert (entered["gate"], entered["ticket_id"]) == ("北门", tickets[4])
    assert entered["checked_in_at"].endswith("Z")
    assert (entered["area"], entered["row"], entered["number"]) == ("VIP A区", "1", 4)
    assert page["attendees"][0]["ticket_id"] == given.json["new_ticket_id"]
    assert page["attendees"][2]["order_id"] == standing["order_id"]
    assert page["attendees"][2]["holder"]["user_id"] == str(other)
    assert not {"code", "qr_code"} & set(entered)
    walked = await walk(app, session_id, "attendees")
    assert [one["seat_id"] for one in walked] == [3, 4, 23]
    inside = await walk(app, session_id, "attendees", "&status=checked_in")
    assert [one["seat_id"] for one in inside] == [4]


async def test_a_page_asks_identity_once_and_not_for_the_same_person_twice(
    app: BookingApp, session_id: UUID
) -> None:
    buyer, _ = await bought(app, session_id, seats=(1, 2))
    await bought(app, session_id, user=buyer, seats=(3,))
    gone, _ = await bought(app, session_id, seats=(4,))
    app.neighbours.looked_up.clear()
    app.neighbours.unknown.add(gone)
    page = await read(app, session_id, "attendees")
    assert app.neighbours.looked_up == [2]
    nobody = {"user_id": str(gone), "name": None, "email": None}
    assert page["attendees"][3]["holder"] == nobody
    app.neighbours.identity_is_away = True
    owner = organizer_of(app, session_id)
    answer = await app.get(f"/sessions/{session_id}/orders", user=owner)
    assert (answer.status, answer.code) == (503, "unavailable")


async def test_sales_are_seats_and_money_by_area(
    app: BookingApp, session_id: UUID, database_url: str
) -> None:
    set_policy(app, session_id, fee_kind="percent", fee=10)
    empty = await read(app, session_id, "sales")
    assert (empty["capacity"], empty["free"], empty["revenue"]) == (25, 25, 0)
    other = app.neighbours.publish()
    await bought(app, other, seats=(1, 2))
    await bought(app, session_id, seats=(1, 2, 23))
    buyer, paid = await bought(app, session_id, seats=(3, 24))
    await app.order(uuid4(), session_id, seats=[4])
    lapsed = (await app.order(uuid4(), session_id, seats=[5, 6])).json["order_id"]
    async with booking_tables(database_url) as tables:
        await let_time_pass(tables, lapsed)
    owner = organizer_of(app, session_id)
    await app.post(f"/sessions/{session_id}/block", {"seats": [7, 8]}, user=owner)
    await ask_back(app, buyer, paid["order_id"])
    sales = await read(app, session_id, "sales")
    fee = PRICE // 10 + STANDING_PRICE // 10
    assert (sales["currency"], sales["session_id"]) == ("CNY", str(session_id))
    assert [
        {key: area[key] for key in ("name", "kind", "capacity", "sold", "held", "blocked", "free")}
        for area in sales["areas"]
    ] == [
        {
            "name": "VIP A区",
            "kind": "seated",
            "capacity": 20,
            "sold": 2,
            "held": 1,
            "blocked": 2,
            "free": 15,  # seats 5 and 6 too: their hold is past its end
        },
        {
            "name": "内场站席",
            "kind": "standing",
            "capacity": 5,
            "sold": 1,
            "held": 0,
            "blocked": 0,
            "free": 4,
        },
    ]
    seated, standing = sales["areas"]
    assert (seated["area_id"], standing["area_id"]) == (str(SEATED), str(STANDING))
    assert (seated["gross"], standing["gross"]) == (3 * PRICE, 2 * STANDING_PRICE)
    refunded = PRICE + STANDING_PRICE - fee
    assert seated["refunded"] + standing["refunded"] == sales["refunded"] == refunded
    assert seated["refunded"] == PRICE - PRICE // 10
    for figure in ("capacity", "sold", "held", "blocked", "free", "gross", "refunded", "revenue"):
        assert sales[figure] == seated[figure] + standing[figure]
    assert sales["revenue"] == sales["gross"] - refunded
    for part in (sales, seated, standing):
        assert all(isinstance(part[key], int) for key in ("gross", "refunded", "revenue"))
        taken = part["sold"] + part["held"] + part["blocked"]
        assert part["free"] == part["capacity"] - taken
    await is_sound(app)


async def test_figures_that_are_being_added_up_are_added_up_once(
    app: BookingApp, session_id: UUID, database_url: str
) -> None:
    """Ten who look at once are one query; who looks afterwards sees what has been sold since."""
    async with booking_tables(database_url) as tables, tables.transaction():
        await tables.execute("LOCK TABLE seat_claims IN ACCESS EXCLUSIVE MODE")
        readers = [asyncio.create_task(read(app, session_id, "sales")) for _ in range(10)]
        await until_one_waits(database_url)
        for _ in range(50):  # time enough for a second query, were there one
            assert await waiting(tables) == 1
    assert {sales["sold"] for sales in await asyncio.gather(*readers)} == {0}
    await bought(app, session_id)
    assert (await read(app, session_id, "sales"))["sold"] == 2


async def test_a_refund_of_several_areas_is_shared_out_to_the_last_unit(
    app: BookingApp, database_url: str
) -> None:
    """By what each seat cost, and what is shared out is the refund: also where nothing divides."""
    third = UUID(int=3)
    session_id = app.neighbours.publish()
    terms = app.neighbours.terms[session_id]
    odd = [
        AreaTerms(SEATED, "A", "seated", 333, 1, 10, 10),
        AreaTerms(third, "B", "seated", 334, 12, 21, 10),
        AreaTerms(STANDING, "C", "standing", 1, 23, 27, 5),
    ]
    app.neighbours.terms[session_id] = msgspec.structs.replace(terms, areas=odd)
    plan = app.neighbours.plans[session_id]
    seated, floor = plan.areas
    app.neighbours.plans[session_id] = type(plan)(
        session_id,
        plan.length,
        [
            type(seated)(SEATED, "A", seated.rows[:1]),
            type(seated)(third, "B", seated.rows[1:]),
            floor,
        ],
    )
    set_policy(app, session_id, fee_kind="percent", fee=33)
    buyer, paid = await bought(app, session_id, seats=(1, 12, 13, 23))
    back = await ask_back(app, buyer, paid["order_id"])
    sales = await read(app, session_id, "sales")
    assert sales["gross"] == 333 + 2 * 334 + 1
    assert sales["refunded"] == sum(area["refunded"] for area in sales["areas"])
    assert sales["refunded"] == back.json["amount"]
    for area in sales["areas"]:
        assert 0 <= area["revenue"] <= area["gross"]
    async with booking_tables(database_url) as tables:
        await tables.execute(
            "UPDATE refunds SET state = 'requested', decided_at = NULL,"
            " next_attempt = NULL, settled_at = NULL"
        )
    assert (await read(app, session_id, "sales"))["refunded"] == 0  # nothing is owed yet


async def test_a_draft_that_was_looked_at_sells_from_its_publishing_on(app: BookingApp) -> None:
    draft = app.neighbours.publish(status="draft")
    assert (await read(app, draft, "sales"))["free"] == 25
    terms = app.neighbours.terms[draft]
    app.neighbours.terms[draft] = msgspec.structs.replace(terms, status="published")
    assert (await app.order(uuid4(), draft, seats=[1])).status == 201


async def test_somebody_elses_session_is_not_there(app: BookingApp, session_id: UUID) -> None:
    await bought(app, session_id)
    draft = app.neighbours.publish(status="draft")
    stranger, admin = uuid4(), uuid4()
    app.token(stranger, "organizer")
    app.token(admin, "admin")
    app.token(staff := uuid4(), "staff")
    for what in ("orders", "attendees", "sales"):
        path = f"/sessions/{session_id}/{what}"
        for unseen in (path, f"/sessions/{uuid4()}/{what}"):
            for headers in ({}, {"Accept": "text/csv"}):
                answer = await app.get(unseen, user=stranger, headers=headers)
                assert (answer.status, answer.code) == (404, "not-found")
        for nobody in (uuid4(), staff):
            assert (await app.get(path, user=nobody)).code == "forbidden"
        assert (await app.get(path)).status == 401
        assert (await app.get(path, user=admin)).status == 200
        mine = await app.get(f"/sessions/{draft}/{what}", user=organizer_of(app, draft))
        assert mine.status == 200, mine
        assert mine.json.get("total", 0) == 0


@pytest.mark.parametrize(
    "query",
    [
        "orders?cursor=x",
        "orders?cursor=",
        "orders?page_size=101",
        "orders?page=0",
        "orders?status=x",
        "attendees?cursor=-1",
        "attendees?cursor=99999999999",
        "attendees?cursor=%C2%B2",
        "attendees?status=void",
        "attendees?page_size=0",
    ],
)
async def test_a_list_refuses_what_it_never_gave_out(
    app: BookingApp, session_id: UUID, query: str
) -> None:
    for headers in ({}, {"Accept": "text/csv"}):
        answer = await app.get(
            f"/sessions/{session_id}/{query}", user=organizer_of(app, session_id), headers=headers
        )
        assert (answer.status, answer.code) == (400, "validation-failed"), answer
