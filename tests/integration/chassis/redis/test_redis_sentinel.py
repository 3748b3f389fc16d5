"""chassis.redis with sentinels: the primary is theirs to name, before and after a failover."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from booking.seats.outcomes import Held
from chassis.problems import Unavailable
from chassis.redis.discovery import Unusable, check
from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Servers
from tests.support.cluster import eventually
from tests.support.seats import DictTruth, best, seat_holds
from tests.support.sentinels import NAME, Watched, watched


@pytest.fixture
def servers() -> Iterator[Watched]:
    with watched(Path(tempfile.mkdtemp(prefix="sentinel-")) / "servers") as running:
        yield running


async def test_seats_go_on_selling_at_the_primary_that_the_sentinels_name(servers: Watched) -> None:
    truth = DictTruth()
    session_id = truth.publish("." * 40)
    async with seat_holds(servers.url, truth) as holds:
        assert isinstance(await best(holds, session_id, (1, 40), 2), Held)
        servers.sentinels[0].kill()  # the next one is asked
        servers.primary.kill()
        async with asyncio.timeout(20):
            while True:
                try:
                    assert isinstance(await best(holds, session_id, (1, 40), 2), Held)
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)
        assert servers.replica.role() == "master"


async def test_a_primary_that_was_demoted_is_left_for_the_new_one(servers: Watched) -> None:
    """It answers READONLY: the connection is given up, and the sentinels are asked again."""
    calls = RedisCalls(Servers(servers.url), {})
    await calls.command("SET", "key", "old")
    eventually(servers.asked_to_fail_over)
    async with asyncio.timeout(20):
        while True:
            try:
                await calls.command("SET", "key", "new")
                if servers.replica.role() == "master":
                    break
            except Unavailable:
                await asyncio.sleep(0.05)
    assert await calls.command("GET", "key") == b"new"
    assert (await calls.command("ROLE"))[0] == b"master"
    await calls.close()


async def test_a_wrong_name_and_a_replica_are_said_in_a_sentence(servers: Watched) -> None:
    await check(servers.url)
    with pytest.raises(Unusable, match="knows a primary called 'other'"):
        await check(servers.url.replace(f"/{NAME}", "/other"))
    with pytest.raises(Unusable, match=f"takes no writes: .* 127.0.0.1:{servers.primary.port}"):
        await check(f"redis://127.0.0.1:{servers.replica.port}")
    both = f"127.0.0.1:{servers.primary.port},127.0.0.1:{servers.replica.port}"
    with pytest.raises(Unusable, match="is not part of a cluster"):
        await check(f"redis://{both}")
    calls = RedisCalls(Servers(servers.url.replace(f"/{NAME}", "/other")), {})
    with pytest.raises(Unavailable, match="no sentinel knows the primary other"):
        await calls.ping()
    await calls.close()
