"""The audit on a schedule: what it finds is a metric, what it could not look at is no clean bill."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from booking.audit.schedule import ScheduledAudit
from booking.audit.store import INVARIANTS
from booking.measures import audit_pool
from booking.seats.reconciler import SETTLED_S, Reconciler
from chassis.observability.reports import Report
from tests.support.booking import BookingApp, booking_tables, running_booking

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing?target_session_attrs=any"


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
async def report() -> AsyncIterator[Report]:
    made = Report()
    yield made
    made.withdraw()


def told(what: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"stampede_audit_{what}", labels)


async def sold(app: BookingApp) -> Any:
    user = uuid4()
    order = (await app.order(user, app.neighbours.publish())).json
    assert (await app.pay(user, order["order_id"])).status == 200
    return order


async def test_a_violation_is_told_with_its_invariant_and_goes_when_it_is_mended(
    app: BookingApp, database_url: str, report: Report
) -> None:
    order = await sold(app)
    audit = ScheduledAudit(app.services, app.services.pool, rest=0.0)
    await audit.take(report)
    names = (*INVARIANTS, "redis_equals_postgresql")
    assert {told("violations", invariant=name) for name in names} == {0}
    assert {told("unchecked", invariant=name) for name in names} == {0}
    assert (told("finished_timestamp_seconds", schema="booking") or 0) > 1_700_000_000
    async with booking_tables(database_url) as tables:
        change = "UPDATE orders SET total_amount = total_amount + $1 WHERE order_id = $2"
        await tables.execute(change, 1, UUID(order["order_id"]))
        await audit.take(report)
        assert told("violations", invariant="orders_add_up") == 1
        assert told("violations", invariant="seats_sold_once") == 0
        await tables.execute(change, -1, UUID(order["order_id"]))
    await audit.take(report)
    assert told("violations", invariant="orders_add_up") == 0


@pytest.mark.parametrize("mended", [True, False])
async def test_redis_differs_only_if_the_reconciler_leaves_it(
    app: BookingApp, report: Report, mended: bool
) -> None:
    order = await sold(app)
    holds, session_id = app.services.holds, UUID(order["session_id"])
    now = [0.0]
    reconciler = Reconciler(holds, now=lambda: now[0])

    async def two_looks() -> None:
        for _ in range(2 if mended else 1):
            await reconciler.reconcile_once(session_id)
            now[0] += SETTLED_S

    (bought,) = (await holds.truth.snapshot(session_id)).tallies.items()
    word, changed = await holds.run(session_id, "tallies", [str(bought[0]), str(bought[1]), "9"])
    assert (word, changed) == ("counted", [1])
    audit = ScheduledAudit(
        app.services, app.services.pool, rest=0.0, looks_max=1, mending=two_looks
    )
    await audit.take(report)
    assert told("violations", invariant="redis_equals_postgresql") == (0 if mended else 1)


async def test_what_cannot_be_read_is_unchecked_and_not_sound(
    app: BookingApp, report: Report
) -> None:
    settings = app.wiring.settings.__class__(audit_database_url=NOWHERE)
    wiring = app.wiring.__class__(
        settings=settings,
        upstreams=app.wiring.upstreams,
        verifier=app.wiring.verifier,
        broker=app.wiring.broker,
    )
    async with audit_pool(wiring, app.services.pool) as pool:
        assert pool is not app.services.pool
        await ScheduledAudit(app.services, pool, rest=0.0).take(report)
    assert {told("unchecked", invariant=name) for name in INVARIANTS} == {1}
    assert {told("violations", invariant=name) for name in INVARIANTS} == {None}
