"""The seats of sessions on sale, by state: right, bounded, and only of those on sale."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from booking.seats.metrics import SEATS
from booking.seats.sampling import SESSIONS_MAX, SeatCounts
from chassis.observability.reports import Report
from tests.support.booking import BookingApp, running_booking

FORMER = datetime.now(UTC) - timedelta(days=9)


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
async def report() -> AsyncIterator[Report]:
    made = Report()
    yield made
    made.withdraw()


def counts(app: BookingApp, **limits: float) -> SeatCounts:
    services = app.services
    return SeatCounts(services.holds, services.sessions, services.clock, choose_s=0.0, **limits)  # type: ignore[arg-type]


def shown() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    (family,) = SEATS.collect()
    for one in family.samples:
        found.setdefault(one.labels["session"], {})[one.labels["state"]] = one.value
    return found


async def touched(app: BookingApp, **changes: datetime) -> UUID:
    """A session that Redis knows."""
    session_id = app.neighbours.publish(**changes)
    await app.services.holds.stored(session_id)
    return session_id


async def test_seats_are_counted_by_state(app: BookingApp, report: Report) -> None:
    session_id = app.neighbours.publish(rows=2, places=5)
    buyer, other = uuid4(), uuid4()
    order = (await app.order(buyer, session_id, quantity=2)).json
    assert (await app.pay(buyer, order["order_id"])).status == 200
    assert (await app.order(other, session_id, quantity=3)).status == 201
    await counts(app).measure(report)
    assert shown() == {str(session_id): {"free": 20, "held": 3, "sold": 2, "blocked": 0}}


async def test_a_session_that_is_not_on_sale_is_not_shown(app: BookingApp, report: Report) -> None:
    on_sale = await touched(app)
    soon = datetime.now(UTC) + timedelta(hours=1)
    await touched(app, sale_opens_at=soon)
    await touched(app, sale_opens_at=FORMER, sale_closes_at=FORMER + timedelta(days=1))
    await counts(app).measure(report)
    assert set(shown()) == {str(on_sale)}


async def test_more_sessions_than_are_shown_are_counted_and_the_newest_sales_come_first(
    app: BookingApp, report: Report
) -> None:
    sessions = [
        await touched(app, sale_opens_at=FORMER + timedelta(hours=n))
        for n in range(SESSIONS_MAX + 5)
    ]
    await counts(app).measure(report)
    assert set(shown()) == {str(one) for one in sessions[-SESSIONS_MAX:]}
    on_sale = "stampede_sessions_on_sale"
    assert REGISTRY.get_sample_value(on_sale, {"shown": "yes"}) == SESSIONS_MAX
    assert REGISTRY.get_sample_value(on_sale, {"shown": "left_out"}) == 5
    await counts(app, sessions_max=3).measure(report)
    assert set(shown()) == {str(one) for one in sessions[-3:]}, "those of before are gone"
