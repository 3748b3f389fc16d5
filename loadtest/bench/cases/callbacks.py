"""The case `callbacks`: a provider reports payments that it had accepted, each message five times.

The payments are created in bulk with booking's own statements. The messages are signed as the sandbox
signs them. Copies of one message are some hundred messages apart, so they arrive both while the first is
being processed and long after. The audit at the end of the run shows that each took effect once.
"""

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from booking.domain.seating import Seating, Stretch
from booking.events.store import NewHistoryEntry
from booking.orders.draft import OrderDraft, new_order
from booking.orders.placing_store import place_orders
from booking.orders.records import NewOrder
from booking.orders.selection import ExactSeats
from booking.payments.batch_store import begin_payments
from booking.payments.records import Intent, NewPayment, PayableOrder
from booking.providers.signatures import sign
from booking.seats.outcomes import Held
from chassis.ids import uuid7
from chassis.postgres.pool import Pool, connection, load_queries, open_pool
from contracts.booking import PAYMENT_STARTED
from contracts.catalog import AreaTerms, SessionTerms
from identity.administration import make_buyers
from loadtest.bench.cases import venue
from loadtest.bench.generators.traffic import Call, Traffic
from loadtest.bench.programs.programs import Stack
from runtime.starting import with_webhook_secret

COPIES = 5
APART = 240  # messages between two copies of one
PER_SECOND_MAX = 6_000  # messages to make room for
BUYERS = 1_000
AREA = "Area 1"
BATCH = 256
HOLD_TTL_S = 3_600

CALLBACK = Call(
    name="callback",
    method="POST",
    path="/api/v1/payments/webhooks/sandbox",
    headers={"webhook-id": "$2", "webhook-timestamp": "$3", "webhook-signature": "$4"},
    body="$1",
    expects={200: '"status":"taken"'},
)


async def callbacks(stack: Stack, seconds: float) -> Traffic:
    payments = await _payments(stack, int(seconds * PER_SECOND_MAX / COPIES))
    secret = with_webhook_secret(stack.loaded).webhook_secret[0]  # the platform's own
    at = int(time.time())
    messages = [_message(payment, secret, at) for payment in payments]
    return Traffic(
        base_url=stack.base_url, calls=[CALLBACK], rows=list(interleaved(messages)), addresses=1
    )


def interleaved(messages: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Each message COPIES times, with APART others between two copies."""
    for turn in range(len(messages) + (COPIES - 1) * APART):
        for copy in range(COPIES):
            place = turn - copy * APART
            if 0 <= place < len(messages):
                yield messages[place]


def _message(payment: PayableOrder, secret: str, at: int) -> tuple[str, ...]:
    data = {
        "key": payment.payment_id,
        "amount": payment.total_amount,
        "currency": payment.currency,
        "state": "succeeded",
        "reason": None,
    }
    body = msgspec.json.encode({"type": "payment.succeeded", "data": data})
    event_id = f"msg_{secrets.token_hex(12)}"
    return body.decode(), event_id, str(at), sign(secret, event_id, at, body)


async def _payments(stack: Stack, count: int) -> list[PayableOrder]:
    """Orders of two seats, each with a payment that the provider has accepted."""
    database_url = stack.loaded.database_url
    assert database_url is not None, "the platform runs, so its servers do"
    seats = -(-2 * count // venue.ROW_SEATS) * venue.ROW_SEATS
    (sale,) = await venue.make_sales(database_url, 1, seats=seats)
    buyers = [user_id for user_id, _ in await make_buyers(database_url, BUYERS)]
    pool = await open_pool(database_url, "booking", size=1)
    try:
        seating = _seating(sale, seats)
        terms = _terms(sale, len(seating.layout))
        orders = [
            _order(buyers[number % BUYERS], pair, terms, seating)
            for number, pair in enumerate(venue.pairs_of(seats)[:count])
        ]
        made = []
        for start in range(0, len(orders), BATCH):
            made += await _begun(pool, orders[start : start + BATCH])
        async with connection(pool) as db:
            await load_queries(Path(__file__).with_suffix(".sql")).put_off(db)
        return made
    finally:
        await pool.close()


async def _begun(pool: Pool, orders: list[NewOrder]) -> list[PayableOrder]:
    await place_orders(pool, orders, HOLD_TTL_S)
    begun = await begin_payments(pool, "sandbox", [_intent(order) for order in orders])
    return [one for one in begun if isinstance(one, PayableOrder)]


def _order(buyer: UUID, pair: tuple[int, int], terms: SessionTerms, seating: Seating) -> NewOrder:
    draft = OrderDraft(
        order_id=uuid7(),
        user_id=buyer,
        key=None,
        body_hash=None,
        terms=terms,
        seating=seating,
        selection=ExactSeats(list(pair)),
    )
    return new_order(draft, Held(0, list(pair)))


def _intent(order: NewOrder) -> Intent:
    payment = NewPayment(
        payment_id=uuid7(),
        order_id=order.order_id,
        user_id=order.user_id,
        provider="sandbox",
        method="alipay",
        idempotency_key=None,
        body_hash=None,
        request_id=order.request_id,
    )
    history = NewHistoryEntry(order.order_id, uuid7(), PAYMENT_STARTED, order.request_id, b"{}")
    return Intent(payment, history)


def _terms(sale: venue.Sale, last_seat_id: int) -> SessionTerms:
    now = datetime.now(UTC)
    area_id = sale.areas[0]
    area = AreaTerms(area_id, AREA, "seated", venue.PRICE, 1, last_seat_id, 0)
    return SessionTerms(
        session_id=sale.session_id,
        show_id=sale.show_id,
        organizer_id=uuid7(),
        title="Bench",
        venue="Load hall",
        city="上海",
        starts_at=now + timedelta(days=30),
        time_zone="Asia/Shanghai",
        currency="CNY",
        status="published",
        sale_opens_at=now - timedelta(minutes=1),
        sale_closes_at=now + timedelta(days=1),
        max_tickets_per_user=venue.TICKETS_PER_USER_MAX,
        areas=[area],
    )


def _seating(sale: venue.Sale, seats: int) -> Seating:
    rows = seats // venue.ROW_SEATS
    firsts = [row * (venue.ROW_SEATS + 1) + 1 for row in range(rows)]
    stretches = [
        Stretch(first, venue.ROW_SEATS, sale.areas[0], AREA, str(row + 1), 1)
        for row, first in enumerate(firsts)
    ]
    return Seating(firsts[-1] + venue.ROW_SEATS - 1, stretches)
