"""Holding, releasing, selling and correcting seats in a real Redis."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from booking.seats.claims import Claim
from booking.seats.holds import SeatHolds
from booking.seats.keys import HOLD_INTENT_MS, session_keys
from booking.seats.outcomes import Held, LimitReached, Repeated, SoldOut, Taken
from chassis.ids import uuid7
from chassis.redis.scripts import RedisCalls, Script
from chassis.redis.servers import Servers
from tests.support.seats import DictTruth, best, exact, letters, seat_holds, seats_of, tickets_of


@pytest.fixture
def truth() -> DictTruth:
    return DictTruth()


@pytest.fixture
async def holds(redis_url: str, truth: DictTruth) -> AsyncIterator[SeatHolds]:
    async with seat_holds(redis_url, truth) as made:
        yield made


async def test_exact_seats_are_held_together_or_not_at_all(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("....|....")
    assert seats_of(await exact(holds, session_id, [3, 1])) == [1, 3]
    assert await exact(holds, session_id, [1, 2, 3, 4]) == Taken([1, 3])
    assert await letters(holds, session_id) == "h.h.|...."


@pytest.mark.parametrize("no_seat", [0, -1, 5, 10, 2_000_000, 2_000_001, 10**18])
async def test_a_position_without_a_seat_is_taken(
    holds: SeatHolds, truth: DictTruth, no_seat: int
) -> None:
    session_id = truth.publish("....|....")
    assert await exact(holds, session_id, [1, no_seat]) == Taken([no_seat])
    assert await letters(holds, session_id) == "....|...."


@pytest.mark.parametrize("seats", [[], [1, 1], list(range(1, 22))])
async def test_none_a_seat_twice_and_too_many_are_the_callers_mistake(
    holds: SeatHolds, truth: DictTruth, seats: list[int]
) -> None:
    with pytest.raises(ValueError, match="1 to 20 different seats"):
        await exact(holds, truth.publish("." * 30), seats)


async def test_versions_grow_by_one_and_stay_exact_numbers(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("." * 20)
    start, _ = await holds.state(session_id)
    answers = [await best(holds, session_id, (1, 20), 1) for _ in range(20)]
    versions = [one.version for one in answers if isinstance(one, Held)]
    assert versions == list(range(start + 1, start + 21))
    assert 10**15 < start < 2**53


async def test_the_public_state_has_no_gaps(holds: SeatHolds, truth: DictTruth) -> None:
    session_id = truth.publish("..|||..|.")
    order_id = uuid7()
    await exact(holds, session_id, [6, 9], order_id=order_id)
    assert (await holds.state(session_id))[1] == b"..h.h"
    await holds.sell(session_id, order_id)
    await holds.block(session_id, [1])
    assert (await holds.state(session_id))[1] == b"b.s.s"


async def test_a_late_release_cannot_free_the_next_buyers_seat(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("....")
    late, next_buyer = uuid7(), uuid7()
    await exact(holds, session_id, [1, 2], order_id=late)
    # PostgreSQL gave seat 1 to somebody else meanwhile, and Redis was told so
    await holds.correct(session_id, [Claim(1, "held", next_buyer, uuid7(), 900_000)])
    await holds.release(session_id, late)
    assert await letters(holds, session_id) == "h..."
    await holds.release(session_id, late)
    await holds.sell(session_id, late)
    assert await letters(holds, session_id) == "h..."
    await holds.sell(session_id, next_buyer)
    await holds.release(session_id, next_buyer)
    assert await letters(holds, session_id) == "s..."


async def test_tallies_follow_holds_sales_and_corrections(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, buyer, rival = truth.publish("......"), uuid7(), uuid7()
    first, second, theirs = uuid7(), uuid7(), uuid7()
    await exact(holds, session_id, [1, 2], order_id=first, user_id=buyer)
    await exact(holds, session_id, [3], order_id=second, user_id=buyer)
    assert await exact(holds, session_id, [4, 5], user_id=buyer, tickets_max=4) == LimitReached(3)
    await holds.sell(session_id, first)
    await holds.correct(session_id, [Claim(3, "sold", theirs, rival, None)])
    assert await tickets_of(holds, session_id, buyer) == 2
    assert await tickets_of(holds, session_id, rival) == 1
    await holds.release(session_id, second)
    assert await letters(holds, session_id) == "sss..."
    assert await tickets_of(holds, session_id, buyer) == 2


async def test_nobody_passes_the_cap_with_200_holds_at_once(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, user_id = truth.publish("." * 1000), uuid7()
    answers = await asyncio.gather(
        *(
            best(holds, session_id, (1, 1000), 1 + n % 3, user_id=user_id, tickets_max=7)
            for n in range(200)
        )
    )
    got = sum(len(one.seats) for one in answers if isinstance(one, Held))
    assert 5 <= got <= 7
    assert (await letters(holds, session_id)).count("h") == got
    assert await tickets_of(holds, session_id, user_id) == got


async def test_one_seat_and_200_at_once_have_one_winner(holds: SeatHolds, truth: DictTruth) -> None:
    session_id = truth.publish("..s..".replace("s", "."))
    answers = await asyncio.gather(*(exact(holds, session_id, [3]) for _ in range(200)))
    assert sum(isinstance(one, Held) for one in answers) == 1
    assert sum(one == Taken([3]) for one in answers) == 199


async def test_the_same_request_twice_is_told_whose_it_is(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, user_id, order_id = truth.publish("." * 9), uuid7(), uuid7()
    seats_of(
        await best(
            holds, session_id, (1, 9), 2, order_id=order_id, user_id=user_id, idempotency_key="k"
        )
    )
    again = {"user_id": user_id, "idempotency_key": "k"}
    assert await best(holds, session_id, (1, 9), 2, **again) == Repeated(order_id)  # type: ignore[arg-type]
    assert await exact(holds, session_id, [8], **again) == Repeated(order_id)  # type: ignore[arg-type]
    assert isinstance(await exact(holds, session_id, [8], idempotency_key="k"), Held)
    assert await exact(holds, session_id, [9], order_id=order_id) == Repeated(order_id)
    await holds.release(session_id, order_id)
    assert isinstance(await best(holds, session_id, (1, 9), 2, **again), Held)  # type: ignore[arg-type]


async def test_a_kept_order_no_longer_answers_for_its_request(
    holds: SeatHolds, truth: DictTruth
) -> None:
    """Once it is in PostgreSQL, PostgreSQL knows the key."""
    session_id, user_id, order_id = truth.publish("." * 9), uuid7(), uuid7()
    await exact(holds, session_id, [1], order_id=order_id, user_id=user_id, idempotency_key="k")
    await holds.keep_many(session_id, {order_id: 900_000})
    answer = await exact(holds, session_id, [2], user_id=user_id, idempotency_key="k")
    assert isinstance(answer, Held)


async def test_a_hold_is_an_intent_of_ten_seconds_by_redis_own_clock(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, order_id = truth.publish("..."), uuid7()
    await exact(holds, session_id, [1], order_id=order_id)
    seconds, microseconds = await holds.calls.command("TIME")
    now_ms = int(seconds) * 1000 + int(microseconds) / 1000
    due = float(await holds.calls.command("ZSCORE", session_keys(session_id)[5], str(order_id)))
    assert 0 <= now_ms + HOLD_INTENT_MS - due < 5_000


async def test_what_postgresql_refused_is_marked_on_the_spot(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, order_id, owner = truth.publish("." * 6), uuid7(), uuid7()
    await best(holds, session_id, (1, 6), 3, order_id=order_id)
    claims = [
        Claim(2, "sold", uuid7(), uuid7(), None),
        Claim(1, "held", owner, uuid7(), 900_000),
        Claim(6, "blocked", None, None, None),
        Claim(7, "sold", uuid7(), uuid7(), None),  # no such seat here
    ]
    await holds.correct(session_id, claims)
    await holds.correct(session_id, claims)
    await holds.release(session_id, order_id)
    assert await letters(holds, session_id) == "hs...b"
    assert await best(holds, session_id, (1, 6), 4) == SoldOut()
    assert seats_of(await best(holds, session_id, (1, 6), 3)) == [3, 4, 5]


async def test_blocking_takes_seats_from_intents_and_unblocking_gives_back_only_blocked_ones(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, order_id, user_id = truth.publish("." * 1200), uuid7(), uuid7()
    await exact(holds, session_id, [5, 6], order_id=order_id, user_id=user_id)
    await holds.block(session_id, list(range(1, 1101)))
    assert await letters(holds, session_id) == "b" * 1100 + "." * 100
    assert await tickets_of(holds, session_id, user_id) == 0
    await holds.release(session_id, order_id)
    sold = uuid7()
    await exact(holds, session_id, [1101], order_id=sold)
    await holds.sell(session_id, sold)
    await holds.unblock(session_id, list(range(1, 1201)))
    assert await letters(holds, session_id) == "." * 1100 + "s" + "." * 99
    assert seats_of(await best(holds, session_id, (1, 1200), 2)) == [600, 601]


async def test_a_caller_who_gives_up_leaves_an_intent_that_the_sweeper_will_find(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, order_id = truth.publish("...."), uuid7()
    await holds.state(session_id)
    task = asyncio.create_task(exact(holds, session_id, [2], order_id=order_id))
    await asyncio.sleep(0)  # queued
    await asyncio.sleep(0)  # left
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await letters(holds, session_id) == ".h.."
    key = session_keys(session_id)[5]
    assert await holds.calls.command("ZSCORE", key, str(order_id)) is not None


class Recorder(RedisCalls):
    """Notes what Python passes to each script on the way to the real Redis."""

    def __init__(self, servers: Servers, scripts: dict[str, Script]) -> None:
        super().__init__(servers, scripts)
        self.passed: dict[str, tuple[Script, int, int]] = {}
        self._by_digest = {script.digest: script for script in scripts.values()}
        self._really = self.submit_each
        self.submit_each = self._submit_each  # type: ignore[method-assign]

    async def run(
        self, script: Script, keys: Sequence[str | bytes], args: Sequence[str | bytes | int]
    ) -> tuple[str, list[Any]]:
        self.passed[script.name] = (script, len(keys), len(args))
        return await super().run(script, keys, args)

    def _submit_each(self, calls: Sequence[Any]) -> Any:
        for _, digest, keys, *rest in calls:
            script = self._by_digest[digest]
            self.passed[script.name] = (script, keys, len(rest) - keys)
        return self._really(calls)


async def test_python_passes_what_the_headers_name(
    holds: SeatHolds, truth: DictTruth, redis_url: str
) -> None:
    recorder = Recorder(Servers(redis_url), holds.scripts)
    recorded = SeatHolds(recorder, truth)
    session_id, order_id = truth.publish("...."), uuid7()
    await best(recorded, session_id, (1, 4), 1, order_id=order_id)
    await exact(recorded, session_id, [2])
    await recorded.keep_many(session_id, {order_id: 1})
    await recorded.sell(session_id, order_id)
    await recorded.release(session_id, order_id)
    await recorded.block(session_id, [3])
    await recorded.unblock(session_id, [3])
    await recorded.due(session_id, 10)
    await recorded.state(session_id)
    await recorded.take_turn(session_id, 5)
    await recorded.run(session_id, "tallies", [str(order_id), 0, 1])
    await recorder.close()
    assert recorder.passed.keys() == recorded.scripts.keys()
    for script, keys, args in recorder.passed.values():
        header = script.header
        assert keys == (16 if "the same eight as staged" in header else 8)
        argv = re.search(r"^-- ARGV *(.*(?:\n--  .*)*)", header, re.MULTILINE)[1]  # type: ignore[index]
        argv = re.sub(r"order…\s+\(each: (.*numbers):[^)]*\)", r"\1", re.sub(r"\n-- *", " ", argv))
        argv = re.sub(r"\(.*?\)", "", argv)  # of exact seats: one number for one seat
        names = [name.strip() for name in argv.split(",") if name.strip()]
        repeats = [name for name in names if "and so on" in name]
        assert args == len(names) - len(repeats), script.name
