"""chassis.redis against a real cluster of six nodes that is resharded, failed over, stopped and cut."""

import asyncio
import contextlib
import random
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.seats.holds import LUA, SeatHolds
from booking.seats.keys import session_keys
from booking.seats.loaded import KEYS, list_loaded
from booking.seats.outcomes import Held
from booking.seats.sweeper import Sweeper
from chassis.problems import Overloaded, Unavailable
from chassis.redis import pipeline
from chassis.redis.discovery import Unusable, check
from chassis.redis.scripts import RedisCalls, load_scripts
from chassis.redis.servers import Servers
from chassis.redis.slots import slot_of
from tests.support.cluster import ClusterNode, RedisCluster, eventually, redis_cluster
from tests.support.seats import DictTruth, best, letters, seat_holds, seats_of

LAYOUT = "." * 40


@pytest.fixture(scope="module")
def whole() -> Iterator[RedisCluster]:
    """For tests that leave it as it was."""
    with redis_cluster(Path(tempfile.mkdtemp(prefix="cluster-")) / "nodes") as cluster:
        yield cluster


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    """For tests that break it."""
    with redis_cluster(Path(tempfile.mkdtemp(prefix="cluster-")) / "nodes") as cluster:
        yield cluster


@contextlib.asynccontextmanager
async def calls_to(url: str, **options: float) -> AsyncIterator[RedisCalls]:
    calls = RedisCalls(Servers(url), load_scripts(LUA), **options)
    try:
        yield calls
    finally:
        await calls.close()


def keys_by_node(cluster: RedisCluster, names: Iterator[str] | None = None) -> list[str]:
    """A key on each primary."""
    found: dict[int, str] = {}
    numbers = iter(range(10_000))
    while len(found) < 3:
        key = f"key-{next(numbers)}"
        found.setdefault(slot_of(key) * 3 // 16_384, key)
    return [found[place] for place in sorted(found)]


@given(key=st.binary(min_size=1, max_size=40) | st.sampled_from([b"{}", b"{}a", b"{a}{b}", b"}a{"]))
def test_a_slot_is_what_the_server_says(whole: RedisCluster, key: bytes) -> None:
    assert slot_of(key) == whole.nodes[0].ask("CLUSTER", "KEYSLOT", key)  # type: ignore[arg-type]


async def test_commands_reach_their_nodes_and_answers_their_callers(whole: RedisCluster) -> None:
    async with calls_to(whole.url) as calls:
        texts = [f"answer {number}" for number in range(2_000)]
        await asyncio.gather(*(calls.command("SET", f"k{text}", text) for text in texts))
        answers = await asyncio.gather(*(calls.command("GET", f"k{text}") for text in texts))
        assert [one.decode() for one in answers] == texts
        counts = await calls.command_to_each_node("DBSIZE")
        assert len(counts) == 3
        assert min(counts) > 400
        await calls.command_to_each_node("FLUSHDB")


async def test_every_answer_belongs_to_its_caller_however_many_give_up(whole: RedisCluster) -> None:
    dice = random.Random(1)
    async with calls_to(whole.url) as calls:
        await asyncio.gather(*(calls.command("SET", f"k{n}", f"v{n}") for n in range(100)))
        for _ in range(40):
            tasks = {n: asyncio.ensure_future(calls.command("GET", f"k{n}")) for n in range(100)}
            for n in dice.sample(sorted(tasks), 40):
                for _ in range(dice.randrange(3)):
                    await asyncio.sleep(0)
                tasks[n].cancel()
            for n, task in tasks.items():
                with contextlib.suppress(asyncio.CancelledError):
                    assert await task == f"v{n}".encode()
        await calls.command_to_each_node("FLUSHDB")


async def test_one_node_of_the_url_is_enough(whole: RedisCluster) -> None:
    for node in whole.nodes:  # a replica as well
        async with calls_to(f"redis://127.0.0.1:{node.port}") as calls:
            for key in keys_by_node(whole):
                assert await calls.command("EXISTS", key) == 0


async def test_scripts_are_taught_to_each_node(whole: RedisCluster) -> None:
    truth = DictTruth()
    sessions = [truth.publish(LAYOUT) for _ in range(24)]
    async with seat_holds(whole.url, truth) as holds:
        for _ in range(2):
            await holds.calls.command_to_each_node("SCRIPT", "FLUSH", "SYNC")
            held = await asyncio.gather(*(best(holds, one, (1, 40), 2) for one in sessions))
            assert all(isinstance(one, Held) for one in held)
        assert sorted((await list_loaded(holds.calls)).sessions) == sorted(sessions)
        await holds.calls.command_to_each_node("FLUSHDB")


async def test_a_session_is_loaded_by_the_clock_of_its_own_node(whole: RedisCluster) -> None:
    truth = DictTruth()
    async with seat_holds(whole.url, truth) as holds:
        for session_id in [truth.publish(LAYOUT) for _ in range(8)]:
            await holds.calls.command_to_each_node("CONFIG", "RESETSTAT")
            await holds.state(session_id)
            owner = whole.owner(session_keys(session_id)[0])
            asked = [
                node for node in whole.nodes if b"cmdstat_time:" in node.ask("INFO", "commandstats")
            ]
            assert asked == [owner]
        await holds.calls.command_to_each_node("FLUSHDB")


async def test_a_session_that_is_being_moved_goes_on_selling(cluster: RedisCluster) -> None:
    """Its keys are for a while on both nodes: MOVED, ASK and TRYAGAIN, and each seat is held once."""
    truth = DictTruth()
    session_id = truth.publish("." * 5_000)
    async with seat_holds(cluster.url, truth) as holds:
        await holds.state(session_id)
        sold: list[int] = []
        moves = 0

        async def buy() -> None:
            while moves < 4:
                sold.extend(seats_of(await best(holds, session_id, (1, 5_000), 1)))
                await asyncio.sleep(0.005)  # else all are sold before they have moved

        def has_sold(count: int) -> bool:
            return len(sold) >= count

        async def move() -> None:
            nonlocal moves
            keys = session_keys(session_id)
            for _ in range(4):
                enough = len(sold) + 6  # it sells where it is now
                await asyncio.to_thread(eventually, partial(has_sold, enough))
                source = await asyncio.to_thread(cluster.owner, keys[0])
                target = next(
                    one for one in cluster.nodes if one.role() == "master" and one is not source
                )
                await asyncio.to_thread(move_slot, source, target, keys)
                moves += 1

        await asyncio.gather(buy(), buy(), move())
        assert len(sold) == len(set(sold)) > 20
        assert (await letters(holds, session_id)).count("h") == len(sold)


def move_slot(source: ClusterNode, target: ClusterNode, keys: tuple[str, ...]) -> None:
    """As an operator's tool does it, key by key."""
    slot = slot_of(keys[0])
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
    for key in keys:
        source.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 5_000)
    target.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)
    source.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)


async def test_a_script_is_taught_to_a_node_that_was_asked_in_passing(
    cluster: RedisCluster,
) -> None:
    """ASKING holds for one command: the lesson must not come between them."""
    truth = DictTruth()
    session_id = truth.publish(LAYOUT)
    keys = session_keys(session_id)
    async with seat_holds(cluster.url, truth) as holds:
        await best(holds, session_id, (1, 40), 1)
        source = cluster.owner(keys[0])
        target = next(one for one in cluster.nodes if one.role() == "master" and one is not source)
        target.ask("CLUSTER", "SETSLOT", slot_of(keys[0]), "IMPORTING", source.id)
        source.ask("CLUSTER", "SETSLOT", slot_of(keys[0]), "MIGRATING", target.id)
        for key in keys:
            source.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 5_000)
        target.ask("SCRIPT", "FLUSH", "SYNC")
        assert seats_of(await best(holds, session_id, (1, 40), 1))
        assert (await letters(holds, session_id)).count("h") == 2
        for node in (target, source):
            node.ask("CLUSTER", "SETSLOT", slot_of(keys[0]), "NODE", target.id)


async def test_a_dead_node_is_nobody_elses_trouble_and_its_replica_takes_over(
    cluster: RedisCluster,
) -> None:
    truth = DictTruth()
    sessions = [truth.publish(LAYOUT) for _ in range(24)]
    async with seat_holds(cluster.url, truth) as holds:
        for session_id in sessions:
            await best(holds, session_id, (1, 40), 1)
        owners = {one: cluster.owner(session_keys(one)[0]) for one in sessions}
        dead = owners[sessions[0]]
        others = [one for one in sessions if owners[one] is not dead]
        assert 0 < len(others) < len(sessions)
        dead.kill()
        with pytest.raises(Overloaded):
            await best(holds, sessions[0], (1, 40), 1)
        for session_id in others:
            assert isinstance(await best(holds, session_id, (1, 40), 1), Held)
        loaded = await list_loaded(holds.calls)
        assert loaded.away is not None
        assert set(loaded.sessions) <= set(sessions)
        await Sweeper(holds).sweep_once()  # the others' orders are seen to meanwhile
        await asyncio.to_thread(cluster.fail_over, dead)
        assert isinstance(await until_it_answers(holds, sessions[0]), Held)


async def until_it_answers(holds: SeatHolds, session_id: object) -> object:
    """The map of slots is asked for again on each refusal."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await best(holds, session_id, (1, 40), 1)  # type: ignore[arg-type]
            except Overloaded:
                await asyncio.sleep(pipeline.REFRESH_S)


async def test_a_silent_node_holds_up_only_its_own(cluster: RedisCluster) -> None:
    first, second, third = keys_by_node(cluster)
    async with calls_to(cluster.url, answer_timeout_s=0.5) as calls:
        await calls.command("SET", first, "x")
        cluster.owner(first).signal(signal.SIGSTOP)
        stuck = asyncio.ensure_future(calls.command("GET", first))
        for key in (second, third) * 20:
            assert await calls.command("SET", key, "y")
        assert not stuck.done()
        with pytest.raises(Unavailable):
            await stuck


async def test_each_call_has_its_own_outcome_over_several_nodes(cluster: RedisCluster) -> None:
    first, second, third = keys_by_node(cluster)
    async with calls_to(cluster.url) as calls:
        for key in (first, second, third):
            await calls.command("SET", key, key)
        cluster.owner(second).kill()
        answers = await calls.submit_each([("GET", key) for key in (first, second, third)])
        assert (answers[0], answers[2]) == (first.encode(), third.encode())
        assert isinstance(answers[1], Unavailable)
        with pytest.raises(Unavailable):
            await calls.ping()


async def test_a_primary_that_comes_back_as_a_replica_is_not_asked_to_write(
    cluster: RedisCluster,
) -> None:
    async with calls_to(cluster.url) as calls:
        key = keys_by_node(cluster)[0]
        await calls.command("SET", key, "x")
        owner = cluster.owner(key)
        owner.kill()
        await asyncio.to_thread(cluster.fail_over, owner)
        owner.start()  # as a replica of the one that took its place
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(Unavailable):
                    assert await calls.command("GET", key) == b"x"
                    break
                await asyncio.sleep(pipeline.REFRESH_S)
        assert await calls.command("SET", key, "y")


async def test_a_slot_without_a_node_is_unavailable(cluster: RedisCluster) -> None:
    key = KEYS[0]
    owner = cluster.owner(key)
    async with calls_to(cluster.url) as calls:
        await calls.command("EXISTS", key)
        for node in cluster.nodes:
            if node.role() == "master":
                node.ask("CLUSTER", "DELSLOTS", slot_of(key))
        with pytest.raises(Unavailable):
            await calls.command("EXISTS", key)
        other = next(one for one in keys_by_node(cluster) if cluster.owner(one) is owner)
        assert await calls.command("EXISTS", other) == 0
    with pytest.raises(Unusable, match="has no node for 1 of its slots"):
        await check(cluster.url)


async def test_what_cannot_be_used_is_said_in_a_sentence(whole: RedisCluster) -> None:
    await check(whole.url)
    await check("redis://127.0.0.1:1")  # away: it may come
    for url, sentence in {
        "redis://user:wrong@" + whole.url.removeprefix("redis://"): "refuses the connection",
        "http://here": "STAMPEDE_REDIS_URL must be a URL",
    }.items():
        with pytest.raises(Unusable, match=sentence):
            await check(url)
