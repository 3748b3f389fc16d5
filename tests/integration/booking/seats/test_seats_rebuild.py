"""Losing Redis, wholly or in part, and getting the seats back from PostgreSQL."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from booking.seats.holds import SeatHolds
from booking.seats.keys import NAMES, session_keys, staged_keys
from booking.seats.loaded import list_loaded
from booking.seats.outcomes import Held, LimitReached
from booking.seats.snapshot import pack
from chassis.ids import uuid7
from chassis.problems import NotFound, Unavailable
from tests.support.seats import FOREVER_MS, DictTruth, best, exact, letters, seat_holds, seats_of


@pytest.fixture
def truth() -> DictTruth:
    return DictTruth()


@pytest.fixture
async def holds(redis_url: str, truth: DictTruth) -> AsyncIterator[SeatHolds]:
    async with seat_holds(redis_url, truth) as made:
        yield made


async def test_a_session_never_seen_is_loaded_by_the_first_touch(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("..|..")
    truth.claim(session_id, [1], "sold", uuid7(), uuid7())
    truth.claim(session_id, [4], "blocked")
    assert await letters(holds, session_id) == "s.|b."
    assert await list_loaded(holds.calls) == ([session_id], None)


async def test_an_unknown_session_is_not_found(holds: SeatHolds) -> None:
    with pytest.raises(NotFound):
        await best(holds, uuid7(), (1, 1), 1)


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
async def test_any_missing_key_is_not_loaded_for_every_script(
    holds: SeatHolds, truth: DictTruth, number: int
) -> None:
    session_id, order_id = truth.publish("...."), str(uuid7())
    args: dict[str, list[str | bytes | int]] = {
        "hold": [10_000, order_id, order_id, 4, "", "exact", 1, 1],
        "keep": [order_id, 1],
        "due": [10],
        "correct": [1, "s", "", "", 0],
        "free": [1, "h", ""],
        "tallies": [order_id, 0, 1],
        "state": [],
        "release": [order_id],
        "sell": [order_id],
        "turn": [200_000, 1],
    }
    assert args.keys() == holds.scripts.keys() - {"close", "load"}
    await holds.state(session_id)
    keys = session_keys(session_id)
    await holds.calls.command("DEL", keys[number])
    for name, values in args.items():
        assert await holds.calls.run(holds.scripts[name], keys, values) == ("not_loaded", []), name
    assert await holds.calls.command("EXISTS", *keys) == len(NAMES) - 1


async def test_what_is_rebuilt_is_what_was(holds: SeatHolds, truth: DictTruth) -> None:
    session_id = truth.publish("." * 12)
    order_id, user_id = uuid7(), uuid7()
    truth.claim(session_id, [3, 4], "held", order_id, user_id, FOREVER_MS)
    truth.claim(session_id, [7], "sold", uuid7(), user_id)
    before, _ = await holds.state(session_id)
    await holds.calls.command_to_each_node("FLUSHDB")
    assert await letters(holds, session_id) == "..hh..s....."
    after, _ = await holds.state(session_id)
    assert after > before
    answer = await exact(holds, session_id, [1, 2], user_id=user_id, tickets_max=4)
    assert answer == LimitReached(3)
    assert await holds.due(session_id, 10) == []
    await holds.release(session_id, order_id)
    assert await letters(holds, session_id) == "......s....."


async def test_a_rebuilt_hold_past_its_end_is_due_at_once(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, order_id = truth.publish("..."), uuid7()
    truth.claim(session_id, [1], "held", order_id, uuid7(), -5_000)
    assert await holds.due(session_id, 10) == [order_id]


async def test_many_who_find_it_missing_cause_one_rebuild(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("." * 100)
    answers = await asyncio.gather(*(best(holds, session_id, (1, 100), 1) for _ in range(100)))
    assert sorted(seat for one in answers for seat in seats_of(one)) == list(range(1, 101))
    assert truth.snapshots == 1


async def test_another_process_waits_for_the_one_that_loads(
    holds: SeatHolds, truth: DictTruth, redis_url: str
) -> None:
    session_id = truth.publish("....")
    truth.before_snapshot_returns = asyncio.Event()
    async with seat_holds(redis_url, truth) as other:
        first = asyncio.create_task(exact(holds, session_id, [1]))
        await truth.snapshot_taken.wait()
        second = asyncio.create_task(exact(other, session_id, [2]))
        await truth.lock_refused.wait()
        truth.before_snapshot_returns.set()
        assert seats_of(await first) == [1]
        assert seats_of(await second) == [2]
    assert truth.snapshots == 1


async def test_a_rebuild_elsewhere_that_does_not_end_is_a_503_in_time(
    redis_url: str, truth: DictTruth
) -> None:
    session_id = truth.publish("....")
    truth.locked_elsewhere = True
    async with seat_holds(redis_url, truth, load_wait_s=0.3) as holds:
        with pytest.raises(Unavailable) as refused:
            await exact(holds, session_id, [1])
        assert refused.value.headers["Retry-After"] == "1"
        truth.locked_elsewhere = False
        loaded = False
        while not loaded:  # as clients do that come again; the process itself goes on trying
            with contextlib.suppress(Unavailable):
                await holds.rebuilder.ensure_loaded(session_id)
                loaded = True
        assert isinstance(await exact(holds, session_id, [1]), Held)


async def test_a_waiter_who_gives_up_does_not_stop_the_loading(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("....")
    truth.before_snapshot_returns = asyncio.Event()
    impatient = asyncio.create_task(exact(holds, session_id, [1]))
    patient = asyncio.create_task(exact(holds, session_id, [2]))
    await truth.snapshot_taken.wait()
    impatient.cancel()
    truth.before_snapshot_returns.set()
    assert seats_of(await patient) == [2]
    assert await letters(holds, session_id) == ".h.."


async def test_a_sale_committed_while_the_snapshot_was_read_is_not_lost(
    holds: SeatHolds, truth: DictTruth, redis_url: str
) -> None:
    """`close` before the snapshot: the sale waits for the load and runs on what it brought."""
    session_id, order_id, user_id = truth.publish("...."), uuid7(), uuid7()
    await exact(holds, session_id, [1, 2], order_id=order_id, user_id=user_id)
    truth.claim(session_id, [1, 2], "held", order_id, user_id, FOREVER_MS)
    truth.before_snapshot_returns = asyncio.Event()
    truth.snapshot_taken.clear()
    async with seat_holds(redis_url, truth) as other:
        rebuilding = asyncio.create_task(holds.rebuild(session_id))
        await truth.snapshot_taken.wait()
        truth.claim(
            session_id, [1, 2], "sold", order_id, user_id
        )  # the snapshot knows nothing of it
        selling = asyncio.create_task(other.sell(session_id, order_id))
        await truth.lock_refused.wait()
        truth.before_snapshot_returns.set()
        await asyncio.gather(rebuilding, selling)
    assert await letters(holds, session_id) == "ss.."


async def test_a_hold_in_flight_during_a_rebuild_is_forgotten_and_harms_nobody(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, order_id = truth.publish("...."), uuid7()
    await exact(holds, session_id, [1], order_id=order_id)
    await holds.rebuild(session_id)
    next_order = uuid7()
    assert seats_of(await exact(holds, session_id, [1], order_id=next_order)) == [1]
    await holds.release(session_id, order_id)  # PostgreSQL refused it: the other was first
    assert await letters(holds, session_id) == "h..."


async def test_versions_grow_over_rebuilds(holds: SeatHolds, truth: DictTruth) -> None:
    session_id = truth.publish("...")
    versions = []
    for _ in range(3):
        versions.append((await holds.state(session_id))[0])
        await exact(holds, session_id, [1])
        versions.append((await holds.state(session_id))[0])
        await holds.rebuild(session_id)
    assert versions == sorted(set(versions))


async def test_a_clock_set_back_does_not_set_the_version_back(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("...")
    await holds.state(session_id)
    ahead = 2**52
    await holds.calls.command("HSET", session_keys(session_id)[1], "version", str(ahead))
    await holds.rebuild(session_id)
    assert (await holds.state(session_id))[0] == ahead + 1


async def test_a_large_session_is_loaded_in_pieces_and_leaves_nothing_staged(
    holds: SeatHolds, truth: DictTruth
) -> None:
    dice = random.Random(7)
    session_id = truth.publish("." * 20_000)
    for number in range(4_000):
        seats = [number * 4 + 1, number * 4 + 2]
        state = "held" if dice.random() < 0.5 else "sold"
        truth.claim(session_id, seats, state, uuid7(), uuid7(), FOREVER_MS)
    taken = truth.claims[session_id]
    expected = "".join(taken[n].state[0] if n in taken else "." for n in range(1, 20_001))
    assert await letters(holds, session_id) == expected
    assert await holds.calls.command("KEYS", "staged-*") == []
    for key in session_keys(session_id):
        assert await holds.calls.command("PTTL", key) == -1


async def test_a_rebuild_that_dies_leaves_nothing_for_ever(
    holds: SeatHolds, truth: DictTruth
) -> None:
    """Cut off after any number of pieces, what is staged has an end."""
    session_id = truth.publish("." * 9_000)
    for seat in range(1, 9_000, 2):
        truth.claim(session_id, [seat], "held", uuid7(), uuid7(), FOREVER_MS)
    keys = staged_keys(session_id, "dead")
    commands = pack(await truth.snapshot(session_id), keys, 0)
    assert len(commands) > 3 * len(keys)
    for command in commands[: 2 * len(keys)]:
        await holds.calls.command(*command)
    assert all([await holds.calls.command("PTTL", key) > 0 for key in keys])
    for command in commands[2 * len(keys) :]:
        await holds.calls.command(*command)
    assert all([await holds.calls.command("PTTL", key) > 0 for key in keys])
