"""What booking measures of everybody's things is told by one worker, whatever its relay waits for."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from booking import workers
from chassis.events import relay
from chassis.postgres.pool import load_queries, own_session
from tests.support.booking import BookingApp, running_booking

WITHIN_S = 10.0
outbox = load_queries(Path(relay.__file__).parent / "sql" / "outbox.sql")


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@asynccontextmanager
async def lead_of_relay_taken(app: BookingApp) -> AsyncIterator[None]:
    """As by a session that waits for a standby after its relay has given up."""
    async with own_session(app.services.pool) as db:
        assert await outbox.try_lead(db)
        yield


def measured(what: str) -> float | None:
    value = REGISTRY.get_sample_value("stampede_measured_timestamp_seconds", {"what": what})
    return None if value is None or math.isnan(value) else value


async def test_it_is_measured_while_the_relay_cannot_lead(app: BookingApp) -> None:
    stop = asyncio.Event()
    async with lead_of_relay_taken(app):
        working = asyncio.create_task(workers.run(app.wiring, stop))
        deadline = time.monotonic() + WITHIN_S
        while not all(measured(what) for what in ("money", "standbys", "redis", "keys")):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        stop.set()
        async with asyncio.timeout(WITHIN_S):
            await working
    assert measured("standbys") is None, "it is withdrawn with the lead"
