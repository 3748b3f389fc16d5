"""Several orders in one script call are answered, and leave Redis, as the same calls one by one would."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from booking.seats.holds import LUA, SeatHolds
from booking.seats.keys import session_keys
from booking.seats.outcomes import Held, LimitReached, Taken
from booking.seats.together import ORDERS_A_CALL_MAX
from chassis.problems import Unavailable
from chassis.redis.scripts import RedisCalls, load_scripts
from chassis.redis.servers import Servers
from tests.support.seats import (
    DictTruth,
    best,
    exact,
    letters,
    own_server,
    seat_holds,
    seats_of,
    tickets_of,
)

LAYOUTS = [
    "......|.....|........||...|.......|....",
    ":;..:./.....|..||.:;|../.../..:|.....::",
    "....../.....|:./.:....||:::|;:..../....",
    "............|..........................",
]
SOME_AREAS = [(1, 12), (14, 39), (14, 39, 1, 12)]
FLOOR, FLOOR_AREA = "|......", (41, 46)  # for standing, after each layout
USERS = [str(UUID(int=number)) for number in range(1, 5)]
ORDERS = [str(UUID(int=number)) for number in range(101, 113)]
KEYS = ["", "", "a", "b"]

Args = list[str | bytes | int]


class Step(NamedTuple):
    """One call of a script for several orders, or for each of them."""

    script: str
    orders: list[Args]

    @property
    def shared(self) -> Args:
        return [10_000] if self.script == "hold" else []


@st.composite
def holds_of_one(draw: st.DrawFn) -> Args:
    user = draw(st.sampled_from(USERS))
    key = draw(st.sampled_from(KEYS))
    who: Args = [
        draw(st.sampled_from(ORDERS)),
        user,
        draw(st.sampled_from([2, 5, 1000])),
        f"{user}:{key}" if key else "",
    ]
    kind = draw(st.sampled_from(["exact", "tidy", "best", "best", "standing"]))
    if kind in {"exact", "tidy"}:
        numbers = sorted(draw(st.sets(st.integers(1, 48), min_size=1, max_size=4)))
    else:
        quantity = draw(st.integers(1, 5))
        some = draw(st.sampled_from(SOME_AREAS if kind == "best" else [FLOOR_AREA]))
        accessible = draw(st.integers(0, 1 if kind == "best" else 0))
        numbers = [quantity, accessible, draw(st.integers(0, 1)), *some]
    return [*who, kind, len(numbers), *numbers]


def steps() -> st.SearchStrategy[list[Step]]:
    ids = st.lists(st.sampled_from(ORDERS).map(lambda one: [one]), min_size=1, max_size=4)
    kept = st.lists(st.sampled_from(ORDERS).map(lambda one: [one, 900_000]), min_size=1, max_size=4)
    hold = st.lists(holds_of_one(), min_size=1, max_size=8).map(lambda some: Step("hold", some))
    others = st.one_of(
        ids.map(lambda some: Step("release", some)),
        ids.map(lambda some: Step("sell", some)),
        kept.map(lambda some: Step("keep", some)),
    )
    return st.lists(st.one_of(hold, hold, others), min_size=1, max_size=6)


LAGS = 1 << 20  # as in lua/shared/bounds.lua; the highest is that of no place


class Server:
    """Two sessions of the same seats: of one every call is for one order, of the other for all."""

    def __init__(self, redis_url: str) -> None:
        self.scripts = load_scripts(LUA)
        self.calls = RedisCalls(Servers(redis_url), self.scripts)
        self.truth = DictTruth()
        self.holds = SeatHolds(self.calls, self.truth)

    async def compare(self, layout: str, taken: set[int], todo: list[Step]) -> None:
        alone, together = [await self._session(layout, taken) for _ in range(2)]
        since = [(await self.holds.stored(one))[0] for one in (alone, together)]
        for step in todo:
            script = self.scripts[step.script]
            one_by_one: list[Any] = []
            for order in step.orders:
                args = [*step.shared, *order]
                one_by_one += (await self.calls.run(script, session_keys(alone), args))[1]
            args = [*step.shared, *(value for order in step.orders for value in order)]
            _, at_once = await self.calls.run(script, session_keys(together), args)
            assert _answers(at_once, since[1]) == _answers(one_by_one, since[0]), step
            assert await self._state(together, since[1]) == await self._state(alone, since[0]), step

    async def _places(self, bounds: str) -> list[tuple[bytes, float]]:
        """Without segments that have no place: they are there or not, which says the same."""
        found = await self.calls.command("ZRANGE", bounds, 0, -1, "WITHSCORES")
        scores = [float(score) for score in found[1::2]]
        both = zip(found[::2], scores, strict=True)
        return [(name, score) for name, score in both if score < 0 or score % LAGS != LAGS - 1]

    async def _session(self, layout: str, taken: set[int]) -> UUID:
        session_id = self.truth.publish(layout + FLOOR)
        seats = [seat for seat in sorted(taken) if layout[seat - 1] in ".:"]
        self.truth.claim(session_id, seats, "sold", uuid4(), UUID(USERS[0]))
        await self.holds.state(session_id)
        return session_id

    async def _state(self, session_id: UUID, since: int) -> dict[str, Any]:
        seats, meta, tallies, holds, repeats, expiry, _, bounds = session_keys(session_id)
        derived = await self._hash(meta)
        version = int(derived.pop("version")) - since
        due = await self.calls.command("ZRANGE", expiry, 0, -1, "WITHSCORES")
        return {
            "seats": await self.calls.command("GET", seats),
            "version": version,
            "meta": {name: sorted(text.split(";")) for name, text in derived.items()},
            "bounds": await self._places(bounds),
            "tallies": await self._hash(tallies),
            "holds": await self._hash(holds),
            "repeats": {
                field: value.split("|")[0] for field, value in (await self._hash(repeats)).items()
            },
            "due": {
                order: float(at) > float(due[1]) + 60_000  # an intent's, or an order's
                for order, at in zip(due[::2], due[1::2], strict=True)
            },
        }

    async def _hash(self, key: str) -> dict[str, str]:
        found = await self.calls.command("HGETALL", key)
        return {
            name.decode(): value.decode()
            for name, value in zip(found[::2], found[1::2], strict=True)
        }


def _answers(answers: Sequence[Any], since: int) -> list[Any]:
    """With versions from the beginning."""
    return [
        [one[0], one[1] - since, *one[2:]] if one[0] in {b"held", b"released", b"sold"} else one
        for one in answers
    ]


def test_a_call_for_several_is_as_one_call_each(redis_url: str) -> None:
    with asyncio.Runner() as runner:

        async def open_server() -> Server:
            return Server(redis_url)

        server = runner.run(open_server())

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            layout=st.sampled_from(LAYOUTS),
            taken=st.sets(st.integers(1, 39), max_size=30),
            todo=steps(),
        )
        def as_one_by_one(layout: str, taken: set[int], todo: list[Step]) -> None:
            runner.run(server.compare(layout, taken, todo))

        as_one_by_one()
        runner.run(server.calls.close())


@pytest.fixture
def truth() -> DictTruth:
    return DictTruth()


@pytest.fixture
async def holds(redis_url: str, truth: DictTruth) -> AsyncIterator[SeatHolds]:
    async with seat_holds(redis_url, truth) as made:
        yield made


class Watched:
    """The numbers of commands of each round trip of a process's holds."""

    def __init__(self, holds: SeatHolds) -> None:
        self.trips: list[int] = []
        self.begun = asyncio.Event()
        self._submit_each = holds.calls.submit_each
        holds.calls.submit_each = self  # type: ignore[assignment]

    def __call__(self, calls: Sequence[Any]) -> Any:
        self.trips.append(len(calls))
        self.begun.set()
        return self._submit_each(calls)


async def test_what_comes_together_travels_together_by_session(
    holds: SeatHolds, truth: DictTruth
) -> None:
    sessions = [truth.publish("." * 100) for _ in range(2)]
    for session_id in sessions:
        await holds.state(session_id)
    watched = Watched(holds)
    each = ORDERS_A_CALL_MAX + 1
    answers = await asyncio.gather(
        *(best(holds, sessions[n % 2], (1, 100), 1) for n in range(2 * each))
    )
    # two calls a session, the second of them with one order; a trip for each node
    nodes = {holds.calls.node_of(session_keys(session_id)[0]) for session_id in sessions}
    assert watched.trips == [4 // len(nodes)] * len(nodes)
    for n in range(2):
        assert sorted(seat for one in answers[n::2] for seat in seats_of(one)) == list(
            range(42, 42 + each)
        )


async def test_a_bad_order_fails_alone(holds: SeatHolds, truth: DictTruth) -> None:
    session_id, spoilt = truth.publish("." * 20), uuid4()
    await holds.state(session_id)
    await holds.calls.command("HSET", session_keys(session_id)[2], str(spoilt), "spoilt")
    for at in range(3):
        orders = [exact(holds, session_id, [1 + 4 * at + n]) for n in range(3)]
        orders.insert(at, exact(holds, session_id, [20], user_id=spoilt))
        answers: list[object] = list(await asyncio.gather(*orders, return_exceptions=True))
        assert isinstance(answers.pop(at), ResponseError)
        assert all(isinstance(one, Held) for one in answers), answers
    assert await letters(holds, session_id) == "hhh.hhh.hhh" + "." * 9


async def test_a_broken_record_keeps_no_other_hold_from_its_end(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, orders = truth.publish("...."), [uuid4() for _ in range(3)]
    for seat, order_id in enumerate(orders, start=1):
        await exact(holds, session_id, [seat], order_id=order_id)
    await best(holds, session_id, (1, 4), 2)  # known from now on: there are no two
    await holds.calls.command("HSET", session_keys(session_id)[3], str(orders[1]), "broken")
    ends = [holds.release(session_id, order_id) for order_id in orders]
    answers = await asyncio.gather(*ends, return_exceptions=True)
    assert [type(one) for one in answers] == [type(None), ResponseError, type(None)]
    assert await letters(holds, session_id) == ".h.."
    assert seats_of(await best(holds, session_id, (1, 4), 2)) == [3, 4]


async def test_a_session_that_is_lost_is_loaded_once_for_all_of_its_orders(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, other = truth.publish("." * 40), truth.publish("....")
    await holds.state(other)
    answers = await asyncio.gather(
        exact(holds, other, [1]), *(exact(holds, session_id, [seat]) for seat in range(1, 41))
    )
    assert all(isinstance(one, Held) for one in answers)
    assert truth.snapshots == 2


async def test_whoever_gives_up_before_the_call_leaves_takes_nothing(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("....")
    await holds.state(session_id)
    tasks = [asyncio.create_task(as_task(exact(holds, session_id, [n]))) for n in range(1, 4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert await letters(holds, session_id) == "h.h."


async def test_whoever_gives_up_later_leaves_an_intent_and_harms_nobody(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("....")
    await holds.state(session_id)
    watched = Watched(holds)
    tasks = [asyncio.create_task(as_task(exact(holds, session_id, [n]))) for n in range(1, 4)]
    await watched.begun.wait()
    tasks[1].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert isinstance(answers[0], Held)
    assert await letters(holds, session_id) == "hhh."
    assert await holds.calls.command("ZCARD", session_keys(session_id)[5]) == 1 + 3


async def as_task(call: Any) -> Any:
    return await call


async def test_a_call_reads_only_so_much_and_the_rest_comes_with_the_next(
    holds: SeatHolds, truth: DictTruth
) -> None:
    """A large area is ranked in four pieces for the first who asks: the server serves others between them."""
    layout = "|".join(["." * 29] * 1_000)
    session_id = truth.publish(layout)
    await holds.state(session_id)
    watched = Watched(holds)
    answers = await asyncio.gather(
        best(holds, session_id, (1, len(layout)), 3), exact(holds, session_id, [len(layout)])
    )
    assert [seats_of(one) for one in answers] == [[14, 15, 16], [len(layout)]]
    assert watched.trips == [1, 1, 1, 1]


async def test_a_crowd_for_one_session_keeps_no_other_waiting(
    holds: SeatHolds, truth: DictTruth
) -> None:
    crowded, others = truth.publish("." * 600), [truth.publish("..") for _ in range(200)]
    for one in [crowded, *others]:  # as many at once could take longer than a request waits
        await holds.state(one)
    done: list[UUID] = []

    async def hold(session_id: UUID) -> None:
        seats_of(await best(holds, session_id, (1, 600 if session_id == crowded else 2), 1))
        done.append(session_id)

    crowd = [hold(crowded) for _ in range(300)]
    await asyncio.gather(*crowd, *(hold(one) for one in others), *(hold(crowded) for _ in crowd))
    last_of_the_others = max(n for n, one in enumerate(done) if one != crowded)
    assert last_of_the_others < 300 + 200 + ORDERS_A_CALL_MAX


async def test_a_call_that_is_not_answered_in_time_leaves_intents_and_tells_those_who_wait(
    truth: DictTruth,
) -> None:
    session_id = truth.publish("." * 200)
    with own_server(Path(tempfile.mkdtemp(prefix="seats-"))) as server:
        calls = RedisCalls(Servers(server.url), load_scripts(LUA), answer_timeout_s=0.5)
        holds = SeatHolds(calls, truth)
        await holds.state(session_id)
        server.signal(signal.SIGSTOP)
        watched = Watched(holds)
        answers = await asyncio.gather(
            *(exact(holds, session_id, [seat]) for seat in range(1, 201)), return_exceptions=True
        )
        assert {type(one) for one in answers} == {Unavailable}
        assert len({id(one) for one in answers}) == 200
        assert len(watched.trips) == 1  # those who waited have not waited for a second one
        server.signal(signal.SIGCONT)
        seats = await letters(holds, session_id)  # what was sent is executed late, or was cut off
        held = seats.count("h")
        assert seats == "h" * held + "." * (200 - held)
        assert await holds.calls.command("ZCARD", session_keys(session_id)[5]) == 1 + held
        await calls.close()


async def test_one_person_in_one_call_stays_within_the_cap(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, user_id = truth.publish("." * 20), uuid4()
    await holds.state(session_id)
    answers = await asyncio.gather(
        *(
            exact(holds, session_id, [seat], user_id=user_id, tickets_max=3)
            for seat in (1, 2, 2, 3, 4)
        )
    )
    assert answers[2:] == [Taken([2]), answers[3], LimitReached(3)]
    assert await tickets_of(holds, session_id, user_id) == 3
