"""What a leader measures is there while it leads and measures, and not a moment longer."""

import asyncio
import time

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Gauge

from chassis.concurrency.measuring import Measure, report_all
from chassis.observability import logs
from chassis.observability.reports import Report

log = logs.get("test")


@pytest.fixture
def gauge() -> Gauge:
    return Gauge("waiting", "x", ["kind"], registry=CollectorRegistry())


def shown(gauge: Gauge) -> dict[str, float]:
    (family,) = gauge.collect()
    return {one.labels["kind"]: one.value for one in family.samples}


async def until(condition: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await condition.wait()


async def test_what_is_measured_is_withdrawn_when_the_lead_goes(gauge: Gauge) -> None:
    measured = asyncio.Event()

    async def take(report: Report) -> None:
        report.show(gauge, {("new",): 3.0, ("old",): 1.0})
        measured.set()

    leading = asyncio.create_task(report_all([Measure("test", 60.0, take)], None, log))
    await until(measured)
    assert shown(gauge) == {"new": 3.0, "old": 1.0}
    leading.cancel()  # the lock was lost
    await asyncio.gather(leading, return_exceptions=True)
    assert shown(gauge) == {}


async def test_what_cannot_be_measured_now_is_withdrawn_and_stops_no_other(gauge: Gauge) -> None:
    asked, failed, other = asyncio.Event(), asyncio.Event(), asyncio.Event()
    stop = asyncio.Event()
    rounds = 0

    async def take(report: Report) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            raise ConnectionError("the database is away")
        report.show(gauge, {("new",): float(rounds)})
        asked.set()

    class Log:
        def warning(self, *_: object, **__: object) -> None:
            failed.set()

    async def take_another(_: Report) -> None:
        if failed.is_set():
            other.set()

    measures = [Measure("test", 0.0, take), Measure("another", 0.0, take_another)]
    leading = asyncio.create_task(report_all(measures, stop, Log()))
    await until(asked)
    await until(failed)
    assert shown(gauge) == {}
    await until(other)
    stop.set()
    await leading


async def test_a_report_shows_its_last_values_and_no_older_ones(gauge: Gauge) -> None:
    report = Report()
    report.show(gauge, {("new",): 3.0, ("old",): 1.0})
    report.show(gauge, {("new",): 2.0})
    assert shown(gauge) == {"new": 2.0}


async def test_the_age_of_a_measure_grows_while_it_fails_and_goes_with_the_lead(
    gauge: Gauge,
) -> None:
    """What a leader that hangs still shows looks fresh otherwise."""

    def measured_at() -> float | None:
        name = "stampede_measured_timestamp_seconds"
        return REGISTRY.get_sample_value(name, {"what": "aged"})

    taken, failed = asyncio.Event(), asyncio.Event()

    async def take(report: Report) -> None:
        if taken.is_set():
            failed.set()
            raise ConnectionError("the database is away")
        taken.set()

    before = time.time()
    leading = asyncio.create_task(report_all([Measure("aged", 0.0, take)], None, log))
    await until(failed)
    at = measured_at()
    assert at is not None
    assert before <= at <= time.time()
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    assert measured_at() is None
