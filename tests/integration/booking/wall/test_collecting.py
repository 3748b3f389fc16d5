"""The collector over a real Redis: machines add up, one process does it, late ones are marked."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from booking.seats.holds import SeatHolds
from booking.wall.collecting import LEASE_MS, Collector
from booking.wall.frames import Frame
from booking.wall.seats import SeatBoard
from chassis.clock import DatabaseClock
from contracts.wall import FRAME_KEY, LEASE_KEY, SOURCES_KEY, WATCHED_KEY, Digest
from tests.support.clock import MonotonicClock
from tests.support.seats import DictTruth, seat_holds
from tests.support.wall import buckets, digest


@pytest.fixture
async def holds(redis_url: str) -> AsyncIterator[SeatHolds]:
    async with seat_holds(redis_url, DictTruth()) as made:
        yield made


class Wall:
    """Collectors of several processes with one clock, and machines that speak."""

    def __init__(self, holds: SeatHolds) -> None:
        self.calls, self._holds = holds.calls, holds
        self.clock = MonotonicClock()

    def collector(self) -> Collector:
        nowhere: Any = None  # no session is in Redis, so catalog is not asked
        board = SeatBoard(self._holds, nowhere, DatabaseClock())
        return Collector(self.calls, board, clock=self.clock)

    async def say(self, source: str, said: Digest) -> None:
        await self.calls.command("HSET", SOURCES_KEY, source, msgspec.json.encode(said))

    async def frame(self) -> Frame:
        body = await self.calls.command("GET", FRAME_KEY)
        return msgspec.json.decode(body, type=Frame)

    async def seconds(self, collector: Collector, *said: dict[str, Digest]) -> Frame:
        """One second after the other, in each of which these sources speak."""
        for one in said:
            self.clock.move_on(1)
            for source, words in one.items():
                await self.say(source, words)
            frame = await collector.collect()
        return frame


@pytest.fixture
def wall(holds: SeatHolds) -> Wall:
    return Wall(holds)


async def test_two_machines_add_up(wall: Wall) -> None:
    collector = wall.collector()
    frame = await wall.seconds(
        collector,
        *(
            {
                "a": digest(n, "a", arrivals=10 * n, sums={"waiting": 2}),
                "b": digest(500 + n, "b", arrivals=7 + 30 * n, sums={"waiting": 3}),
            }
            for n in range(4)
        ),
    )
    assert frame.rates["arrivals"] == 40
    assert frame.point["arrivals"] == 40
    assert frame.sale["arrivals"] == 120
    assert frame.sums == {"waiting": 5}
    assert [(one.machine, one.late) for one in frame.sources] == [("a", False), ("b", False)]
    assert await wall.frame() == frame


async def test_quantiles_are_over_all_machines(wall: Wall) -> None:
    none = buckets()
    frame = await wall.seconds(
        wall.collector(),
        {"a": digest(1, buckets={"orders": none}), "b": digest(1, buckets={"orders": none})},
        {
            "a": digest(2, buckets={"orders": buckets(b0=50)}),
            "b": digest(2, buckets={"orders": buckets(b5=50)}),
        },
    )
    assert frame.answers["orders_p50_s"] == 0.005
    assert frame.answers["orders_p99_s"] == pytest.approx(0.198)
    assert frame.answers["p50_s"] is None


async def test_a_machine_that_is_late_is_shown_as_late_and_counts_in_no_rate(wall: Wall) -> None:
    collector = wall.collector()
    both = [
        {"a": digest(n, "a", arrivals=10 * n), "b": digest(n, "b", arrivals=10 * n)}
        for n in range(3)
    ]
    await wall.seconds(collector, *both)
    frame = await wall.seconds(
        collector, *({"a": digest(n, "a", arrivals=10 * n)} for n in range(3, 10))
    )
    assert [(one.machine, one.late, one.age_s) for one in frame.sources] == [
        ("a", False, 0),
        ("b", True, 7),
    ]
    assert frame.rates["arrivals"] == 10


async def test_a_machine_that_has_said_goodbye_is_not_late(wall: Wall) -> None:
    collector = wall.collector()
    await wall.seconds(collector, {"a": digest(1, "a"), "b": digest(1, "b")})
    await wall.calls.command("HDEL", SOURCES_KEY, "b")
    frame = await wall.seconds(collector, {"a": digest(2, "a")})
    assert [one.machine for one in frame.sources] == ["a"]


async def test_a_machine_that_is_away_for_long_is_forgotten(wall: Wall) -> None:
    collector = wall.collector()
    await wall.seconds(collector, {"a": digest(1)})
    wall.clock.move_on(601)
    frame = await wall.seconds(collector, {})
    assert frame.sources == []
    assert await wall.calls.command("HGETALL", SOURCES_KEY) == []


async def test_of_a_gauge_that_two_leaders_show_the_last_heard_counts(wall: Wall) -> None:
    collector = wall.collector()
    old, new = {"outbox": {"booking": 90.0}}, {"outbox": {"booking": 1.0}}
    await wall.seconds(collector, {"a": digest(1, "a", gauges=old)})
    frame = await wall.seconds(collector, {"b": digest(1, "b", gauges=new)})
    assert frame.leader.gauges == new
    assert frame.leader.age_s == 0


async def test_one_process_collects_and_another_goes_on_when_it_ends(wall: Wall) -> None:
    first, second = wall.collector(), wall.collector()
    await wall.calls.command("SET", WATCHED_KEY, "1")
    for at_s in (1, 2):
        wall.clock.move_on(1)
        await wall.say("a", digest(at_s, arrivals=10 * at_s))
        await first.look()
        await second.look()
    before = await wall.frame()
    assert before.sale == {"arrivals": 10}
    await wall.calls.command("DEL", FRAME_KEY)
    wall.clock.move_on(1)
    await second.look()
    assert await wall.calls.command("EXISTS", FRAME_KEY) == 0, "the other one only looks"
    assert before.seq == 1020
    await wall.say("a", digest(9, arrivals=100))
    await first.leave()
    wall.clock.move_on(1)
    await second.look()
    after = await wall.frame()
    assert after.seq == 1040
    assert after.sale == {"arrivals": 90}, "what came meanwhile is counted, once"
    assert after.sale_since == before.sale_since


async def test_a_lease_that_nobody_renews_is_anothers(wall: Wall) -> None:
    first, second = wall.collector(), wall.collector()
    await first.look()
    holder = await wall.calls.command("GET", LEASE_KEY)
    await second.look()
    assert await wall.calls.command("GET", LEASE_KEY) == holder
    assert 0 < await wall.calls.command("PTTL", LEASE_KEY) <= LEASE_MS
    await wall.calls.command("DEL", LEASE_KEY)
    await second.look()
    assert await wall.calls.command("GET", LEASE_KEY) not in {None, holder}


async def test_nobody_watching_makes_a_frame_every_ten_seconds(wall: Wall) -> None:
    collector = wall.collector()
    for _ in range(21):
        await collector.look()
        wall.clock.move_on(1)
    assert (await wall.frame()).seq == 1200  # 20 seconds after the first
    await wall.calls.command("SET", WATCHED_KEY, "1")
    for _ in range(3):
        await collector.look()
        wall.clock.move_on(1)
    assert (await wall.frame()).seq == 1230


async def test_what_another_version_has_written_is_left_alone(wall: Wall) -> None:
    await wall.calls.command("HSET", SOURCES_KEY, "new", b'{"words": "of a later version"}')
    frame = await wall.seconds(wall.collector(), {"a": digest(1, "a")})
    assert [one.machine for one in frame.sources] == ["a"]


async def test_two_that_collect_at_once_count_nothing_twice(wall: Wall) -> None:
    first, second = wall.collector(), wall.collector()
    for at_s in (1, 2, 3):
        wall.clock.move_on(1)
        await wall.say("a", digest(at_s, arrivals=10 * at_s))
        await asyncio.gather(first.collect(), second.collect())
    assert (await wall.frame()).sale == {"arrivals": 20}


async def test_numbers_of_frames_never_go_back_whoever_collects(wall: Wall) -> None:
    first, second = wall.collector(), wall.collector()
    seen = []
    for collector in (first, first, second, first, second):
        wall.clock.move_on(1)
        seen.append((await collector.collect()).seq)
    await wall.calls.command("FLUSHDB")
    wall.clock.move_on(1)
    await second.look()
    seen.append((await wall.frame()).seq)
    assert seen == sorted(set(seen))
