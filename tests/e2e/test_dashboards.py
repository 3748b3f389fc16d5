"""A real Prometheus over a running platform answers what the dashboards ask."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.test_metrics import sell_something
from tests.support.api import Api
from tests.support.dashboards import Query, queries
from tests.support.platform import RunningPlatform
from tests.support.prometheus import Prometheus

SOON_S = 90.0  # a leader has measured everything once, on a machine that has other work
WINDOW = "15s"
# What one machine without standbys and certificates does not have, where the services share a process or not.
EMPTY_HERE = {"Standby behind", "Standby behind, in WAL", "Certificates: time left"}
EMPTY_TOGETHER = {"Services of their own", "Requests of services of their own", "Sent by OTLP"}
HAVE_NOTHING_TO_SHOW = {  # nothing of the kind has happened yet, so there is no series
    "Failures by route",
    "Clients that do not read, keys asked for",
    "Orders refused, by reason",
    "Disk left",
}


async def test_prometheus_answers_every_query_of_the_dashboards(
    platform: RunningPlatform, api: Api, session: Any, tmp_path: Path
) -> None:
    excused = EMPTY_HERE | HAVE_NOTHING_TO_SHOW
    if "up" in platform.metrics_urls:
        excused |= EMPTY_TOGETHER
    asked = list(queries())
    prometheus = Prometheus(tmp_path / "prometheus", platform.metrics_urls.values())
    try:
        await prometheus.start()
        await sell_something(api, session)
        await api.post("/payments/webhooks/sandbox", {"id": "not signed"})
        deadline = time.monotonic() + SOON_S
        async with aiohttp.ClientSession() as http:
            while asked:
                assert time.monotonic() < deadline, [str(one) for one in asked]
                await asyncio.sleep(1)  # the interval of its scrapes
                asked = [one for one in asked if not await _answers(prometheus, http, one)]
                asked = [one for one in asked if one.panel not in excused]
    finally:
        await prometheus.stop()


async def _answers(prometheus: Prometheus, http: aiohttp.ClientSession, query: Query) -> bool:
    return bool(await prometheus.ask(http, query.over(WINDOW)))
