"""Orders with categories, fees and tax over real stores: from the choice to refunds, reports and the
audit."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.audit.checks import audit_booking
from contracts.booking import (
    ORDER_CREATED,
    ORDER_PAID,
    REFUND_APPROVED,
    OrderCreated,
    OrderPaid,
    RefundChanged,
)
from contracts.prices import PriceTerms
from tests.support.api import Answer
from tests.support.booking import SEATED, STANDING, BookingApp, is_sound, running_booking
from tests.support.outbox import events_waiting
from tests.support.prices import ADULT, CHILD, PRICES, STUDENT
from tests.support.promo_codes import Stall
from tests.support.refunds import ask_back, cancel_session, organizer_of, told_of, work_off

# Two adults and a child on seats 1 to 3: 2.5% each, and 300 an order over 266000.
SERVICE = [3_200, 3_200, 250]
ORDER_FEE = [145, 144, 11]
TOTAL = 2 * ADULT + CHILD + sum(SERVICE) + 300


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


def choices(**quantities: int) -> list[dict[str, Any]]:
    return [{"category": key, "quantity": quantity} for key, quantity in quantities.items()]


async def order(app: BookingApp, session_id: UUID, user: UUID | None = None, **body: Any) -> Answer:
    what = {"seats": [1, 2, 3]} if not {"seats", "quantity"} & body.keys() else {}
    return await app.post(
        "/orders", {"session_id": session_id, **what, **body}, user=user or uuid4()
    )


async def bought(app: BookingApp, session_id: UUID, user: UUID, **body: Any) -> Any:
    placed = await order(app, session_id, user, **body)
    assert placed.status == 201, placed
    paid = await app.pay(user, placed.json["order_id"])
    assert paid.status == 200, paid
    return (await app.get(f"/orders/{placed.json['order_id']}", user=user)).json


async def test_an_order_has_its_categories_and_its_whole_price(app: BookingApp) -> None:
    user, session_id = uuid4(), app.neighbours.publish(prices=PRICES)
    placed = await order(app, session_id, user, categories=choices(adult=2, child=1))
    assert placed.status == 201, placed
    assert [item["category"] for item in placed.json["items"]] == ["adult", "adult", "child"]
    assert [item["price"] for item in placed.json["items"]] == [ADULT, ADULT, CHILD]
    assert [fee["amount"] for item in placed.json["items"] for fee in item["fees"]] == [
        amount for pair in zip(SERVICE, ORDER_FEE, strict=True) for amount in pair
    ]
    assert placed.json["total_amount"] == TOTAL
    assert placed.json["breakdown"] == {
        "items": 2 * ADULT + CHILD,
        "fees": [
            {"key": "service", "name": "服务费", "amount": sum(SERVICE)},
            {"key": "order", "name": "订单费", "amount": 300},
        ],
        "discount": 0,
        "total": TOTAL,
        # 6% in the price of each ticket, and in its fees: 7245, 7245, 566; 189, 189, 15
        "tax": [{"name": "增值税", "rate": 600, "amount": 2 * (7_245 + 189) + 566 + 15}],
    }
    read = (await app.get(f"/orders/{placed.json['order_id']}", user=user)).json
    assert {key: read[key] for key in placed.json} == placed.json
    paid = await app.pay(user, placed.json["order_id"])
    assert paid.status == 200
    charged = await app.services.pool.fetchval("SELECT amount FROM payments")
    assert charged == TOTAL
    await is_sound(app)


async def test_seats_get_categories_in_the_order_in_which_they_are_named(app: BookingApp) -> None:
    session_id = app.neighbours.publish(prices=PRICES)
    body = {"seats": [5, 2, 4], "categories": choices(child=1, student=2)}
    placed = (await order(app, session_id, **body)).json
    found = {item["seat_id"]: item["category"] for item in placed["items"]}
    assert found == {5: "child", 2: "student", 4: "student"}
    assert [item.get("proof") for item in placed["items"]] == ["学生证", "学生证", None]


async def test_best_available_has_categories_too(app: BookingApp) -> None:
    session_id = app.neighbours.publish(prices=PRICES)
    best = {"seat_area_id": STANDING, "quantity": 2, "categories": choices(student=1, adult=1)}
    placed = await order(app, session_id, **best)
    assert [item["price"] for item in placed.json["items"]] == [34_000, 68_000]
    plain = await order(app, session_id, seat_area_id=SEATED, quantity=1)
    assert [item["category"] for item in plain.json["items"]] == ["adult"]


REFUSED: tuple[tuple[dict[str, Any], list[str]], ...] = (
    ({"categories": choices(adult=1, pensioner=2)}, ["categories.1.category"]),
    ({"categories": choices(adult=2)}, ["categories"]),
    ({"categories": choices(adult=4)}, ["categories"]),
    ({"categories": choices(child=3)}, ["categories.0.quantity"]),
    ({"categories": [*choices(child=2), *choices(child=1)]}, ["categories.1.quantity"]),
    ({"categories": choices(adult=0, child=3)}, ["categories.0.quantity"]),
    ({"categories": []}, ["categories"]),
    ({"categories": None}, ["categories"]),
    ({"categories": [{"category": "adult", "quantity": 3, "price": 1}]}, ["categories.0.price"]),
    ({"seats": [1, 23], "categories": choices(adult=1, child=1)}, ["categories.1.category"]),
    ({"seat_area_id": STANDING, "quantity": 1, "categories": choices(child=1)}, ["categories.0.category"]),
)  # fmt: skip


@pytest.mark.parametrize(("body", "wrong"), REFUSED)
async def test_what_is_not_offered_is_refused_before_any_hold(
    app: BookingApp, body: dict[str, Any], wrong: list[str]
) -> None:
    session_id = app.neighbours.publish(prices=PRICES)
    refused = await order(app, session_id, **body)
    assert refused.status == 400, refused
    assert [error["field"] for error in refused.json["errors"]] == wrong
    state = await app.get(f"/sessions/{session_id}/seats")
    assert "h" not in state.json["seats"]


async def test_a_session_without_categories_has_none_to_choose(app: BookingApp) -> None:
    for prices in (None, PriceTerms(fees=PRICES.fees)):
        session_id = app.neighbours.publish(prices=prices)
        refused = await order(app, session_id, categories=choices(adult=3))
        assert [error["field"] for error in refused.json["errors"]] == ["categories"]


async def test_an_order_of_a_plain_session_is_kept_as_ever(app: BookingApp) -> None:
    """Also while an older release reads it: nothing is added to what it keeps and answers."""
    placed = (await order(app, app.neighbours.publish())).json
    row = await app.services.pool.fetchval("SELECT items::text FROM orders")
    plain = {"area", "area_id", "number", "price", "row", "seat_id"}
    assert msgspec.json.decode(row)[0].keys() == plain
    assert placed["items"][0].keys() == plain
    assert "breakdown" not in placed


async def test_a_key_replays_its_order_with_its_categories_only(app: BookingApp) -> None:
    user, session_id = uuid4(), app.neighbours.publish(prices=PRICES)
    body = {"session_id": session_id, "seats": [1, 2], "categories": choices(adult=1, child=1)}
    headers = {"Idempotency-Key": "once"}
    first = await app.post("/orders", body, user=user, headers=headers)
    again = await app.post("/orders", body, user=user, headers=headers)
    assert again.json == first.json
    other = body | {"categories": choices(adult=2)}
    assert (await app.post("/orders", other, user=user, headers=headers)).status == 422


async def test_a_promo_code_takes_off_prices_and_so_off_what_is_a_percentage_of_them(
    app: BookingApp,
) -> None:
    stall, user = Stall(app, prices=PRICES), uuid4()
    await stall.make(code="HALF", kind="percent", value=50)
    placed = (await stall.buy(user, "HALF", seats=[1], categories=choices(student=1))).json
    costs = placed["breakdown"]
    assert (costs["items"], costs["discount"]) == (STUDENT, 32_000)
    assert costs["total"] == 32_000 + 800 + 300
    assert placed["original_amount"] == placed["total_amount"] + 32_000
    await stall.make(code="FREE", kind="percent", value=100)
    free = (await stall.buy(user, "FREE", seats=[3])).json
    assert free["total_amount"] == 0  # what nothing is paid for bears no fee
    assert (await app.pay(user, free["order_id"])).status == 200
    await is_sound(app)


async def test_events_tell_what_was_paid_for_what(app: BookingApp, database_url: str) -> None:
    user, session_id = uuid4(), app.neighbours.publish(prices=PRICES)
    await bought(app, session_id, user, categories=choices(adult=1, student=2))
    told = {event.type: event.data for event in await events_waiting(database_url)}
    created = msgspec.json.decode(told[ORDER_CREATED], type=OrderCreated)
    paid = msgspec.json.decode(told[ORDER_PAID], type=OrderPaid)
    assert created.items == paid.items
    assert [item.category for item in paid.items] == ["adult", "student", "student"]
    fees = sum(fee.amount for item in paid.items for fee in item.fees)
    assert sum(item.price for item in paid.items) + fees == paid.total_amount
    assert [ticket.proof for ticket in paid.tickets] == [None, "学生证", "学生证"]


async def test_a_returned_ticket_brings_its_own_fees_and_the_orders_fee_stays(
    app: BookingApp,
) -> None:
    user, session_id = uuid4(), app.neighbours.publish(prices=PRICES)
    paid = await bought(app, session_id, user, categories=choices(adult=2, child=1))
    offer = (await app.get(f"/orders/{paid['order_id']}/refunds", user=user)).json["offer"]
    assert (offer["price"], offer["fee"], offer["amount"]) == (TOTAL, 300, TOTAL - 300)
    child = paid["tickets"][2]["ticket_id"]
    first = (await ask_back(app, user, paid["order_id"], ticket_ids=[child])).json
    assert (first["price"], first["fee"]) == (CHILD + 250 + 11, 11)
    rest = (await ask_back(app, user, paid["order_id"])).json
    assert first["amount"] + rest["amount"] == TOTAL - 300
    (told, _) = await told_of(app, REFUND_APPROVED, RefundChanged)
    assert [item.category_name for item in told.items] == ["儿童"]
    await is_sound(app)


async def test_a_cancelled_session_gives_every_fee_back(app: BookingApp) -> None:
    user, session_id = uuid4(), app.neighbours.publish(prices=PRICES)
    whole = await bought(app, session_id, user, categories=choices(adult=2, child=1))
    other = await bought(app, session_id, uuid4(), seats=[5, 6])
    assert (await cancel_session(app, session_id)).status == 202
    await work_off(app)
    back = await app.services.pool.fetch("SELECT order_id, amount, fee FROM refunds")
    assert {(str(row["order_id"]), row["amount"], row["fee"]) for row in back} == {
        (whole["order_id"], TOTAL, 0),
        (other["order_id"], other["total_amount"], 0),
    }
    await is_sound(app)


async def test_a_ticket_says_whom_it_is_for_to_its_holder_and_at_the_door(app: BookingApp) -> None:
    user, session_id = uuid4(), app.neighbours.publish(prices=PRICES)
    paid = await bought(app, session_id, user, seats=[1], categories=choices(student=1))
    ticket_id = paid["tickets"][0]["ticket_id"]
    ticket = (await app.get(f"/tickets/{ticket_id}", user=user)).json
    said = {"category": "student", "category_name": "学生", "proof": "学生证"}
    assert {key: ticket[key] for key in said} == said
    (mine,) = (await app.get("/tickets", user=user)).json["tickets"]
    assert {key: mine[key] for key in said} == said
    owner = organizer_of(app, session_id)
    scan = {"code": ticket["code"], "session_id": session_id}
    entered = await app.post("/check-ins", scan, user=door_staff(app))
    seat = entered.json["seat"]
    assert (seat["category_name"], seat["proof"]) == ("学生", "学生证")
    attendees = (await app.get(f"/sessions/{session_id}/attendees", user=owner)).json["attendees"]
    assert {key: attendees[0][key] for key in said} == said


def door_staff(app: BookingApp) -> UUID:
    user = uuid4()
    app.token(user, "admin")
    return user


async def test_reports_tell_tickets_fees_and_tax_apart_and_count_categories(
    app: BookingApp,
) -> None:
    user, session_id = uuid4(), app.neighbours.publish(prices=PRICES)
    paid = await bought(app, session_id, user, categories=choices(adult=2, child=1))
    await bought(app, session_id, uuid4(), seats=[23], categories=choices(student=1))
    child = paid["tickets"][2]["ticket_id"]
    await ask_back(app, user, paid["order_id"], ticket_ids=[child])
    owner = organizer_of(app, session_id)
    sales = (await app.get(f"/sessions/{session_id}/sales", user=owner)).json
    seated = sales["areas"][0]
    assert (seated["gross"], seated["gross_tickets"]) == (TOTAL, 2 * ADULT + CHILD)
    assert seated["gross_fees"] == TOTAL - 2 * ADULT - CHILD
    assert seated["organizer_fees"] == 3 * 99
    assert sales["gross_tax"] == sum(area["gross_tax"] for area in sales["areas"])
    by_key = {one["category"]: one for one in sales["categories"]}
    assert {key: one["sold"] for key, one in by_key.items()} == {
        "adult": 2,
        "child": 0,
        "student": 1,
    }
    assert by_key["child"]["refunded"] == CHILD + 250
    for figure in (
        "gross",
        "gross_tickets",
        "gross_fees",
        "gross_tax",
        "organizer_fees",
        "refunded",
    ):
        assert sum(one[figure] for one in by_key.values()) == sales[figure], figure
    table = await app.get(
        f"/sessions/{session_id}/orders", user=owner, headers={"Accept": "text/csv"}
    )
    assert "VIP A区 1-3 (儿童)" in table.body.decode()


async def test_the_audit_finds_fees_that_do_not_add_up(app: BookingApp) -> None:
    session_id = app.neighbours.publish(prices=PRICES)
    await bought(app, session_id, uuid4(), categories=choices(adult=3))
    await is_sound(app)
    for path in ("{0,fees,0,amount}", "{0,tax,0,amount}"):
        kept = await app.services.pool.fetchval("SELECT items::text FROM orders")
        await app.services.pool.execute(
            f"UPDATE orders SET items = jsonb_set(items, '{path}', '999999')"
        )
        broken = [one.name for one in await audit_booking(app.services, looks_max=1) if not one.ok]
        assert broken == ["orders_add_up"]
        await app.services.pool.execute("UPDATE orders SET items = $1::jsonb", kept)
