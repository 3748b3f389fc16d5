"""One service and one database for all of these tests: each begins as if they were new."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from runtime.services import migrate_all
from tests.support.webhooks import Receiver, Webhooks, receiving, running_webhooks


@pytest.fixture(scope="package")
async def running(
    run_database: Callable[[str], Awaitable[str]],
) -> AsyncIterator[Webhooks]:
    database_url = await run_database("webhooks")
    await migrate_all(database_url, ["notification"])
    async with running_webhooks(database_url) as webhooks:
        yield webhooks


@pytest.fixture
async def service(running: Webhooks) -> Webhooks:
    await running.forget_everything()
    return running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening
