"""Measures of a service, taken by one process at a time, on connections that nothing else uses.

What writes may wait for a standby that hangs, a connection each, and a relay may lose its lead to that: then
the measures are needed most.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from chassis.concurrency.backoff import Backoff
from chassis.concurrency.measuring import Measure, report_all
from chassis.concurrency.rounds import repeat
from chassis.postgres.leadership import lead
from chassis.postgres.pool import Pool

RETRY = Backoff(first_s=0.5, most_s=5.0)


async def measure_as_leader(
    pool: Pool, service: str, measures: Sequence[Measure], stop: asyncio.Event, log: Any
) -> None:
    """Until `stop`. Waits while another process leads, and for a lost database. `pool`: keeps one
    connection of it."""

    async def one_round() -> None:
        await lead(pool, f"measures of {service}", lambda: report_all(measures, stop, log), stop)

    def failed(failure: Exception, _failures: int) -> None:
        log.warning("measuring_interrupted", reason=repr(failure))

    await repeat(one_round, stop, interval_s=0.0, retry=RETRY, failed=failed)
