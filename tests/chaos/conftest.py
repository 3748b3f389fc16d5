"""Platforms of their own, with servers of their own: these tests break what others share."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.platform import RunningPlatform, all_in_one

HOLD_TTL_S = 2
# `make test-patroni` says so: it needs etcd, and its minutes.
collect_ignore = [] if os.environ.get("STAMPEDE_TEST_PATRONI") else ["test_patroni.py"]


@pytest.fixture(scope="module")
def broken(scratch: Path, request: pytest.FixtureRequest) -> Iterator[RunningPlatform]:
    """`stampede up` with embedded servers and holds of two seconds."""
    directory = scratch / request.module.__name__.rpartition(".")[2]
    directory.mkdir()
    with all_in_one(directory, "--no-demo", STAMPEDE_HOLD_TTL_S=str(HOLD_TTL_S)) as platform:
        yield platform


@pytest.fixture
async def api(broken: RunningPlatform) -> AsyncIterator[Api]:
    client = Api(broken.base_url)
    yield client
    await client.close()
