"""The live state: read once for all, streamed as snapshot and deltas, resumed, bounded."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from booking.seats.channel import Event, changes_between
from booking.seats.holds import SeatHolds
from booking.seats.keys import session_keys
from booking.seats.live import LiveSeats
from chassis.ids import uuid7
from chassis.problems import NotFound, Overloaded
from chassis.redis.scripts import RedisCalls
from tests.support.seats import DictTruth, exact, letters, seat_holds

Stream = AsyncGenerator[Event | None, None]


@pytest.fixture
def truth() -> DictTruth:
    return DictTruth()


@pytest.fixture
async def holds(redis_url: str, truth: DictTruth) -> AsyncIterator[SeatHolds]:
    async with seat_holds(redis_url, truth) as made:
        yield made


@pytest.fixture
async def live(holds: SeatHolds) -> AsyncIterator[LiveSeats]:
    made = LiveSeats(holds)
    yield made
    await made.close()


async def next_event(stream: Stream) -> Event:
    async with asyncio.timeout(5):
        event = await anext(stream)
    assert event is not None
    return event


def data(event: Event) -> Any:
    """The event as a browser reads it off the wire."""
    name, number, body, *rest = event.wire.decode().split("\n")
    assert (name, number, rest) == (f"event: {event.name}", f"id: {event.version}", ["", ""])
    return json.loads(body.removeprefix("data: "))


class CountedCalls:
    """Redis' calls, and how many scripts were run by them. The server's own count has everybody's."""

    def __init__(self, calls: RedisCalls) -> None:
        self.scripts = 0
        self._calls = calls

    async def run(self, *script: Any) -> Any:
        self.scripts += 1
        return await self._calls.run(*script)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._calls, name)


async def test_a_pause_is_told_first_and_its_end_when_it_comes(
    holds: SeatHolds, truth: DictTruth
) -> None:
    paused, session_id = {True: "yes"}, truth.publish("..")
    live = LiveSeats(holds, is_paused=lambda _: True in paused)
    stream = await live.follow(session_id)
    told = await next_event(stream)
    assert told.wire == b'event: sale\ndata: {"paused":true}\n\n'  # no id: no version of the seats
    snapshot = await next_event(stream)
    assert snapshot.name == "snapshot"
    paused.clear()
    assert (await next_event(stream)).wire == b'event: sale\ndata: {"paused":false}\n\n'
    paused[True] = "again"
    assert (await next_event(stream)).name == "sale"
    resumed = await live.follow(session_id, snapshot.version)
    assert (await next_event(resumed)).wire == told.wire
    await live.close()


async def test_many_reads_are_one_question_to_redis(
    live: LiveSeats, holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("..|..")
    version, _ = await holds.state(session_id)
    counted: Any = CountedCalls(holds.calls)
    holds.calls = counted
    states = await asyncio.gather(*(live.read(session_id) for _ in range(200)))
    assert counted.scripts == 1
    assert {json.loads(one.body)["seats"] for one in states} == {"...."}
    assert {one.version for one in states} == {version}


async def test_a_stream_is_a_snapshot_and_then_what_changes(
    live: LiveSeats, holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, order_id = truth.publish("..|.."), uuid7()
    stream = await live.follow(session_id)
    snapshot = await next_event(stream)
    assert snapshot.name == "snapshot"
    assert data(snapshot) == {"version": snapshot.version, "seats": "...."}
    await exact(holds, session_id, [2, 4], order_id=order_id)
    delta = await next_event(stream)
    assert delta.name == "delta"
    assert data(delta) == {"version": delta.version, "changes": [[2, "h"], [4, "h"]]}
    await holds.sell(session_id, order_id)
    assert data(await next_event(stream))["changes"] == [[2, "s"], [4, "s"]]
    await stream.aclose()


async def test_whoever_comes_back_goes_on_from_the_version_they_had(
    live: LiveSeats, holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("....")
    stays, leaves = await live.follow(session_id), await live.follow(session_id)
    await next_event(stays)
    seen = await next_event(leaves)
    await leaves.aclose()
    for seat in (1, 2):
        await exact(holds, session_id, [seat])
        await next_event(stays)
    back = await live.follow(session_id, seen.version)
    missed = [data(await next_event(back)) for _ in range(2)]
    assert [one["changes"] for one in missed] == [[[1, "h"]], [[2, "h"]]]
    stranger = await live.follow(session_id, seen.version - 7)
    assert data(await next_event(stranger))["seats"] == "hh.."
    for stream in (stays, back, stranger):
        await stream.aclose()


async def test_one_who_is_up_to_date_is_sent_nothing_but_keep_alives(
    holds: SeatHolds, truth: DictTruth
) -> None:
    live = LiveSeats(holds, keep_alive_s=0.01)
    session_id = truth.publish("...")
    version, _ = await holds.state(session_id)
    stream = await live.follow(session_id, version)
    assert await anext(stream) is None
    assert await anext(stream) is None
    await stream.aclose()
    await live.close()


async def test_all_listeners_share_one_poller_which_ends_with_the_last(
    live: LiveSeats, truth: DictTruth
) -> None:
    session_id = truth.publish("...")
    streams = [await live.follow(session_id) for _ in range(50)]
    never_begun = await live.follow(session_id)
    for stream in streams:
        await next_event(stream)
    [channel] = live.channels.values()
    assert (live.listeners, channel.listeners, channel.polling) == (50, 50, True)
    for stream in streams:
        await stream.aclose()
    await asyncio.sleep(0)
    assert (live.listeners, channel.polling, live.channels) == (0, False, {})
    await never_begun.aclose()
    assert live.listeners == 0


async def test_too_many_listeners_are_refused(holds: SeatHolds, truth: DictTruth) -> None:
    live = LiveSeats(holds, listeners_max=2)
    session_id = truth.publish("...")
    streams = [await live.follow(session_id) for _ in range(2)]
    for stream in streams:
        await next_event(stream)
    with pytest.raises(Overloaded):
        await live.follow(session_id)
    await streams[0].aclose()
    streams.append(await live.follow(session_id))
    for stream in streams:
        await stream.aclose()


async def test_an_unknown_session_is_refused_before_the_stream_begins(live: LiveSeats) -> None:
    with pytest.raises(NotFound):
        await live.follow(uuid7())
    assert live.listeners == 0


async def test_closing_ends_every_stream(live: LiveSeats, truth: DictTruth) -> None:
    stream = await live.follow(truth.publish("..."))
    await next_event(stream)
    await live.close()
    async with asyncio.timeout(5):
        assert [event async for event in stream] == []
    with pytest.raises(Overloaded):
        await live.follow(truth.publish("..."))


async def test_a_flush_of_redis_is_seen_as_what_it_changed(
    live: LiveSeats, holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("...")
    await exact(holds, session_id, [1])  # in no database: the flush forgets it
    stream = await live.follow(session_id)
    assert data(await next_event(stream))["seats"] == "h.."
    await holds.calls.command_to_each_node("FLUSHDB")
    assert data(await next_event(stream))["changes"] == [[1, "."]]
    await stream.aclose()


@pytest.mark.parametrize("how", ["many changes", "version set back"])
async def test_what_is_no_small_step_is_a_new_snapshot(
    holds: SeatHolds, truth: DictTruth, how: str
) -> None:
    live = LiveSeats(holds, changes_max=3)
    session_id = truth.publish("." * 10)
    stream = await live.follow(session_id)
    first = await next_event(stream)
    if how == "many changes":
        await exact(holds, session_id, [1, 2, 3, 4])
    else:
        await holds.calls.command("HSET", session_keys(session_id)[1], "version", first.version - 9)
    second = await next_event(stream)
    assert second.name == "snapshot"
    assert data(second)["seats"] == await letters(holds, session_id)
    await stream.aclose()


def test_changes_are_found_wherever_they_are() -> None:
    before = bytearray(b"." * 5000)
    after = bytearray(before)
    for position in (0, 1023, 1024, 4999):
        after[position] = ord("s")
    expected = [(1, "s"), (1024, "s"), (1025, "s"), (5000, "s")]
    assert changes_between(bytes(before), bytes(after)) == expected
    assert changes_between(bytes(after), bytes(after)) == []
