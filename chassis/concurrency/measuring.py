"""Gauges of what belongs to everybody (a backlog, the seats of a session), shown by one process: the leader.

    async def payments(report): report.show(UNANSWERED, {("stripe",): 3.0})
    await report_all([Measure("payments", 5.0, payments)], stop, log)     # while this process leads

What a measure does not show any more, has failed to measure, or showed when the lead went, is withdrawn:
a scrape leaves it out, rather than tell what was true once. So a value is there once, or not at all.
A leader that hangs withdraws nothing: stampede_measured_timestamp_seconds tells how old the values are.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from chassis.concurrency.backoff import Backoff
from chassis.concurrency.rounds import repeat
from chassis.context import CURRENT, RequestContext, new_request_id
from chassis.observability.metrics import MEASURED, forget
from chassis.observability.reports import Report

RETRY = Backoff(first_s=1.0, most_s=30.0)


class Measure(msgspec.Struct, frozen=True):
    """`name`: of one measure only. `take(report)` is called every `interval_s`, first at once."""

    name: str
    interval_s: float
    take: Callable[[Report], Awaitable[None]]


async def report_all(measures: Sequence[Measure], stop: asyncio.Event | None, log: Any) -> None:
    """Until `stop`, or until this is cancelled. Each measure by itself: one that fails stops no other."""
    await asyncio.gather(*(_keep_measuring(one, stop, log) for one in measures))


async def _keep_measuring(measure: Measure, stop: asyncio.Event | None, log: Any) -> None:
    report = Report()

    async def one_round() -> None:
        CURRENT.set(RequestContext(f"measure-{new_request_id()}"))
        await measure.take(report)
        MEASURED.labels(measure.name).set(time.time())

    def failed(failure: Exception, failures: int) -> None:
        report.withdraw()
        if failures & (failures - 1) == 0:  # the 1st, 2nd, 4th, 8th … in a row
            log.warning("not_measured", what=measure.name, reason=repr(failure))

    try:
        await repeat(
            one_round,
            stop,
            interval_s=measure.interval_s,
            retry=RETRY,
            failed=failed,
        )
    finally:
        report.withdraw()
        forget(MEASURED, measure.name)
