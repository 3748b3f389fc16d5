"""A house that loses its last moments (tests/support/losses.py)."""

import itertools
import os
from collections.abc import AsyncIterator

import asyncpg
import pytest

from runtime.embedded import ServerUrls
from tests.support.losses import LosingHouse
from tests.support.notification import running_notification
from tests.support.sandbox import running_sandbox
from tests.support.servers import with_database

_numbers = itertools.count(1)


@pytest.fixture
async def outside(servers: ServerUrls, template: str) -> AsyncIterator[list[str]]:
    """Two migrated databases that no failover touches."""
    names = [f"stampede_outside_{os.getpid()}_{next(_numbers)}" for _ in range(2)]
    admin = await asyncpg.connect(with_database(servers.database_url, "postgres"))
    try:
        for name in names:
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield [with_database(servers.database_url, name) for name in names]
        for name in names:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
async def house(
    database_url: str, redis_url: str, outside: list[str]
) -> AsyncIterator[LosingHouse]:
    async with (
        running_sandbox(outside[0]) as sandbox,
        running_notification(outside[1]) as notification,
    ):
        yield LosingHouse(database_url, redis_url, sandbox, notification)
