"""Revoked logins are known in each process for a moment, and a logout is told when all have heard of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Servers
from gateway.protection.lease import (
    LEASE_S,
    MARKS,
    PAUSE_S,
    READ_MAX,
    RENEW_AFTER_S,
    Lease,
)
from gateway.protection.revocations import KEYS, LOADED, OLDER_S, key_of
from tests.support.clock import MonotonicClock
from tests.support.gateway import Rig, rig

ME = "/api/v1/auth/me"
LOGOUT = "/api/v1/auth/logout"
FAR_FUTURE = 4_000_000_000.0


@pytest.fixture
async def both(redis_url: str) -> AsyncIterator[tuple[Rig, Rig]]:
    async with rig(redis_url) as one, rig(redis_url, beside=one) as other:
        await one.settle()
        await other.settle()
        yield one, other


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[RedisCalls]:
    client = RedisCalls(Servers(redis_url), {})
    yield client
    await client.close()


async def get_lease(edge: Rig) -> None:
    """Returns when the process knows all revoked logins."""
    async with asyncio.timeout(5):
        while not edge.edge.revocations.lease.is_good(time.monotonic()):
            await edge.client.get(ME, [edge.bearer()])


async def log_out(edge: Rig, login: UUID) -> None:
    edge.identity.respond = edge.identity.log_out(login)
    answer = await edge.client.post(LOGOUT, b"", [edge.bearer(login_id=login)])
    assert answer.status == 204
    edge.identity.respond = edge.identity.echo


async def calls_of(client: RedisCalls, name: str) -> int:
    """How many commands of this name Redis has had."""
    infos = await client.command_to_each_node("INFO", "commandstats")
    lines = [line for info in infos for line in info.decode().splitlines()]
    found = [line for line in lines if line.startswith(f"cmdstat_{name}:")]
    return sum(int(line.split("calls=")[1].split(",")[0]) for line in found)


async def is_let_in_after_a_logout_elsewhere(both: tuple[Rig, Rig]) -> bool:
    """The other process has a good lease when the login ends in the first one."""
    one, other = both
    login = uuid4()
    token = [one.bearer(login_id=login)]
    await get_lease(other)
    assert (await other.client.get(ME, token)).status == 200
    await log_out(one, login)
    one.identity.revoked.clear()
    return (await other.client.get(ME, token)).status == 200


async def test_no_lease_outlives_the_answer_to_a_logout(both: tuple[Rig, Rig]) -> None:
    for _ in range(3):
        assert not await is_let_in_after_a_logout_elsewhere(both)


async def test_control_without_the_wait_a_lease_outlives_the_answer(
    both: tuple[Rig, Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""

    async def at_once(_lease: Lease) -> None:
        return

    monkeypatch.setattr(Lease, "run_out", at_once)
    assert await is_let_in_after_a_logout_elsewhere(both)


async def test_many_logouts_beside_requests_that_keep_the_lease_fresh(
    both: tuple[Rig, Rig],
) -> None:
    one, other = both
    logins = [uuid4() for _ in range(40)]
    ended = asyncio.Event()
    statuses: set[int] = set()
    for login in logins:
        one.identity.revoked[login] = 0  # so that `log_out` has nothing to add

    async def browse() -> None:
        while not ended.is_set():
            assert (await other.client.get(ME, [one.bearer()])).status == 200
            await asyncio.sleep(0.001)

    async def end(number: int, login: UUID) -> None:
        token = [one.bearer(login_id=login)]
        assert (await other.client.get(ME, token)).status == 200
        await asyncio.sleep(number * 0.005)
        await one.edge.revocations.mark(str(login))
        statuses.add((await other.client.get(ME, token)).status)

    browsing = asyncio.create_task(browse())
    await asyncio.gather(*(end(number, login) for number, login in enumerate(logins)))
    ended.set()
    await browsing
    assert statuses == {401}


async def test_requests_with_a_token_ask_redis_about_no_login(
    both: tuple[Rig, Rig], client: RedisCalls
) -> None:
    one, _ = both
    await get_lease(one)
    asked, read = await calls_of(client, "hmget"), await calls_of(client, "xrange")
    began_s, token = time.monotonic(), [one.bearer()]
    for _ in range(50):
        assert (await one.client.get(ME, token)).status == 200
        await asyncio.sleep(0.001)
    took_s = time.monotonic() - began_s
    reads = await calls_of(client, "xrange") - read
    assert await calls_of(client, "hmget") - asked <= 5  # should the machine be busy
    assert reads <= 1 + took_s / RENEW_AFTER_S


async def test_a_process_without_requests_reads_nothing(
    both: tuple[Rig, Rig], client: RedisCalls
) -> None:
    for edge in both:
        await get_lease(edge)
    await asyncio.sleep(LEASE_S)
    read = await calls_of(client, "xrange")
    await asyncio.sleep(3 * LEASE_S)
    assert await calls_of(client, "xrange") == read


async def test_who_has_lost_the_stream_asks_again(
    both: tuple[Rig, Rig], client: RedisCalls
) -> None:
    one, other = both
    login = uuid4()
    await get_lease(other)
    await client.command("DEL", MARKS)
    await log_out(one, login)  # makes the stream anew
    one.identity.revoked.clear()
    for _ in range(3):
        assert (await other.client.get(ME, [one.bearer(login_id=login)])).status == 401
    assert not other.edge.revocations.lease.is_good(time.monotonic())
    await other.settle()
    await get_lease(other)


async def test_a_release_without_leases_beside_is_believed_at_once(
    redis_url: str, client: RedisCalls
) -> None:
    """It writes into the copy alone and waits for nobody. It says that it is there by `loaded`."""
    for key in KEYS:
        await client.command("HSET", key, LOADED, "1")
    async with rig(redis_url) as one, rig(redis_url, beside=one) as other:
        for edge in (one, other):  # the second one finds what the first has noted
            await edge.settle()
            login = uuid4()
            token = [one.bearer(login_id=login)]
            for _ in range(3):
                assert (await edge.client.get(ME, token)).status == 200
                assert not edge.edge.revocations.lease.is_good(time.monotonic())
            await client.command("HSET", key_of(login), str(login), int(FAR_FUTURE))
            assert (await edge.client.get(ME, token)).status == 401


async def test_leases_are_good_again_when_no_older_release_has_been_seen_for_a_while(
    redis_url: str, client: RedisCalls
) -> None:
    long_ago = int(time.time()) - int(OLDER_S) - 1
    for key in KEYS:
        await client.command("HSET", key, LOADED, long_ago)
    async with rig(redis_url) as one:
        await one.settle()
        await get_lease(one)
        assert await client.command("HGET", KEYS[0], LOADED) == str(long_ago).encode()


class Reader:
    """A lease with a clock of its own, and what it has learnt."""

    def __init__(self, redis: RedisCalls, *, read_max: int = READ_MAX) -> None:
        self._redis = redis
        self.clock = MonotonicClock()
        self.learnt: list[str] = []
        self.lease = Lease(redis, self._learn, read_max=read_max, clock=self.clock)

    def _learn(self, logins: str) -> None:
        self.learnt.append(logins)
        if logins == "*":
            self.lease.lose()

    async def begin(self) -> None:
        last = await self.lease.last_mark()
        assert last is not None
        self.lease.begin(last)

    async def is_good(self) -> bool:
        """At the next request. What it makes the lease read has been heard by then."""
        self.lease.is_good(self.clock.monotonic())
        await self.heard()
        return self.lease.is_good(self.clock.monotonic())

    async def heard(self) -> None:
        await self._redis.ping()  # on the same connection, so behind what was asked


async def test_a_process_that_was_stopped_has_no_lease(client: RedisCalls) -> None:
    reader = Reader(client)
    await reader.begin()
    assert await reader.is_good()
    reader.clock.move_on(LEASE_S - 0.001)
    assert reader.lease.is_good(reader.clock.monotonic())
    await reader.is_good()
    reader.clock.move_on(LEASE_S)
    assert not reader.lease.is_good(reader.clock.monotonic())


async def test_a_lease_counts_from_before_it_asked(client: RedisCalls) -> None:
    reader = Reader(client)
    await reader.begin()
    assert not reader.lease.is_good(reader.clock.monotonic())  # it asks
    reader.clock.move_on(LEASE_S)  # as long as the answer takes
    await reader.heard()
    assert not reader.lease.is_good(reader.clock.monotonic())


async def test_a_lease_begins_at_the_end_of_the_stream(
    client: RedisCalls,
) -> None:
    reader = Reader(client, read_max=3)
    await reader.begin()
    names = [str(uuid4()) for _ in range(5)]
    for name in names:
        await client.command(*reader.lease.mark(name))
    assert not await reader.is_good()
    assert reader.learnt == names[:2]
    await reader.is_good()
    assert await reader.is_good()
    assert reader.learnt == names


async def test_a_mark_of_more_logins_than_a_header_names_ends_the_lease(
    client: RedisCalls,
) -> None:
    reader = Reader(client)
    await reader.begin()
    assert await reader.is_good()
    await client.command(*reader.lease.mark("*"))
    reader.clock.move_on(RENEW_AFTER_S)
    assert not await reader.is_good()
    await reader.begin()
    assert await reader.is_good()


async def test_after_a_read_that_failed_redis_is_left_alone_for_a_moment(
    client: RedisCalls,
) -> None:
    reader = Reader(client)
    await reader.begin()
    await client.command("DEL", MARKS)
    await client.command("SET", MARKS, "no stream")
    assert not await reader.is_good()
    await client.command("DEL", MARKS)
    await reader.begin()
    assert not await reader.is_good()
    reader.clock.move_on(PAUSE_S)
    assert await reader.is_good()
