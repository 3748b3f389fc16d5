"""The feed of the wall: for whom, how many, and at what cost."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from booking.routes.wall import WATCHERS
from booking.wall.feed import WallFeed
from booking.wall.frames import Frame, LeaderNow, SessionsNow
from booking.wall.seats import SeatBoard
from chassis.auth.tokens import ROLES
from chassis.problems import Overloaded
from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Servers
from contracts.wall import FRAME_KEY, WATCHED_KEY
from tests.support.booking import STANDING, BookingApp, running_booking

FOREVER = float("inf")


@pytest.fixture
async def calls(redis_url: str) -> AsyncIterator[RedisCalls]:
    made = RedisCalls(Servers(redis_url), {})
    yield made
    await made.close()


class Feed:
    """A feed, and the frames that a collector would write."""

    def __init__(self, calls: RedisCalls, **limits: Any) -> None:
        self.calls = calls
        self.feed = WallFeed(calls, **limits)
        self._streams: list[AsyncGenerator[bytes, None]] = []

    async def write(self, seq: int) -> None:
        frame = Frame(
            seq=seq,
            at=0.0,
            interval_s=1.0,
            rates={},
            answers={},
            sale_since=0.0,
            sale={},
            sums={},
            seats=SessionsNow(age_s=None, sessions=[], left_out=0),
            leader=LeaderNow(age_s=None, gauges={}),
            sources=[],
            point={},
        )
        await self.calls.command("SET", FRAME_KEY, msgspec.json.encode(frame))

    async def watch(self, last_seq: int | None = None) -> AsyncGenerator[bytes, None]:
        """A viewer who has read the beginning."""
        events = await self.feed.follow(last_seq, FOREVER)
        self._streams.append(events)
        assert await anext(events) == b"retry: 1000\n\n"
        return events

    async def close(self) -> None:
        for events in self._streams:
            await events.aclose()
        await self.feed.close()


@pytest.fixture
async def feed(calls: RedisCalls) -> AsyncIterator[Feed]:
    made = Feed(calls, viewers_max=3, silent_after_s=0.2, interval_s=0.05)
    await made.write(1)
    yield made
    await made.close()


async def told(events: AsyncGenerator[bytes, None]) -> tuple[str, dict[str, Any]]:
    """The next event: its name and data. Silence is passed over."""
    async with asyncio.timeout(10):
        while True:
            lines = (await anext(events)).decode().strip().split("\n")
            event = dict(line.split(": ", 1) for line in lines)
            if event["event"] != "silence":
                return event["event"], json.loads(event["data"])


async def test_a_viewer_gets_a_snapshot_and_then_each_frame(feed: Feed) -> None:
    events = await feed.watch()
    name, data = await told(events)
    assert (name, data["frame"]["seq"]) == ("snapshot", 1)
    assert set(data) == {"frame", "minute", "hour", "sale"}
    await feed.write(2)
    name, data = await told(events)
    assert (name, data["seq"]) == ("frame", 2)


async def test_viewers_are_bounded_and_a_place_is_free_again_when_one_leaves(feed: Feed) -> None:
    viewers = [await feed.watch() for _ in range(3)]
    with pytest.raises(Overloaded):
        await feed.feed.follow(None, FOREVER)
    await viewers[0].aclose()
    assert feed.feed.viewers == 2
    await feed.watch()


async def test_a_stream_that_is_never_read_takes_no_place(feed: Feed) -> None:
    for _ in range(10):
        await feed.feed.follow(None, FOREVER)
    assert feed.feed.viewers == 0


async def test_all_viewers_share_one_reading_and_a_slow_one_misses_frames(feed: Feed) -> None:
    quick, slow = await feed.watch(), await feed.watch()
    assert (await told(quick))[0] == (await told(slow))[0] == "snapshot"
    for seq in range(2, 5):
        await feed.write(seq)
        assert (await told(quick))[1]["seq"] == seq
    # what the slow one has not read waits once, for all, and is bounded
    assert (await told(slow))[1]["seq"] == 2
    assert len([one for one in asyncio.all_tasks() if one.get_name() == "wall-feed"]) == 1


async def test_nothing_is_read_while_nobody_watches(feed: Feed) -> None:
    assert await feed.calls.command("EXISTS", WATCHED_KEY) == 0
    events = await feed.watch()
    assert await feed.calls.command("EXISTS", WATCHED_KEY) == 1
    assert feed.feed.is_reading
    await events.aclose()
    assert not feed.feed.is_reading


async def test_a_viewer_who_comes_back_goes_on_after_the_last_frame(feed: Feed) -> None:
    stays = await feed.watch()
    await told(stays)
    for seq in (2, 3):
        await feed.write(seq)
        await told(stays)
    back = await feed.watch(last_seq=2)
    assert (await told(back))[1]["seq"] == 3
    lost = await feed.watch(last_seq=77)
    assert (await told(lost))[0] == "snapshot"


async def test_viewers_are_told_when_no_frame_comes(feed: Feed) -> None:
    events = await feed.watch()
    assert (await told(events))[0] == "snapshot"
    with contextlib.suppress(KeyError):
        async with asyncio.timeout(10):
            while not (event := await anext(events)).startswith(b"event: silence"):
                continue
    assert json.loads(event.split(b"data: ")[1])["age_s"] > 0


async def test_a_stream_ends_with_the_viewers_token_and_when_the_process_ends(feed: Feed) -> None:
    ended = await feed.feed.follow(None, 0.0)
    assert [event async for event in ended][-1].startswith(b"event: snapshot")
    events = await feed.watch()
    await told(events)
    await feed.feed.close()
    async with asyncio.timeout(10):
        assert [event async for event in events] == []
    with pytest.raises(Overloaded):
        await feed.feed.follow(None, FOREVER)


async def test_viewers_begin_anew_when_redis_has_lost_everything(feed: Feed) -> None:
    await feed.write(500)
    events = await feed.watch()
    await told(events)
    await feed.write(501)
    assert (await told(events))[1]["seq"] == 501
    await feed.calls.command("FLUSHDB")
    await feed.write(1)
    async with asyncio.timeout(10):
        assert [event async for event in events if not event.startswith(b"event: silence")] == []


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.mark.parametrize("path", ["/operations/wall", "/operations/wall/snapshot"])
async def test_only_admins_and_operators_watch(app: BookingApp, path: str) -> None:
    assert (await app.get(path)).status == 401
    for role in ("customer", "organizer", "staff"):
        person = uuid4()
        app.token(person, role)
        answer = await app.get(path, user=person)
        assert (answer.status, answer.code) == (403, "forbidden")
    for role in ROLES.intersection(WATCHERS):
        person = uuid4()
        app.token(person, role)
        answer = await app.get("/operations/wall/snapshot", user=person)
        assert answer.status == 200


async def test_seats_are_counted_by_area_and_a_sale_that_is_sold_out_says_so(
    app: BookingApp,
) -> None:
    session_id = app.neighbours.publish(rows=1, places=2)
    services = app.services
    board = SeatBoard(services.holds, services.sessions, services.clock, choose_s=0.0)
    person = uuid4()
    order = (await app.order(person, session_id, quantity=2)).json
    assert (await app.pay(person, order["order_id"])).status == 200
    await app.order(uuid4(), session_id, quantity=3)
    await board.look()
    (session,) = board.sessions
    assert (session.session_id, session.state) == (session_id, "open")
    assert (session.free, session.held, session.sold, session.blocked) == (7, 3, 2, 0)
    seated, standing = session.areas
    assert (seated.name, seated.free, seated.held, seated.sold) == ("VIP A区", 5, 3, 2)
    assert (standing.name, standing.free, standing.held) == ("内场站席", 2, 0)
    await app.order(uuid4(), session_id, quantity=5)
    await app.order(uuid4(), session_id, quantity=2, area=STANDING)
    await board.look()
    assert board.sessions[0].state == "sold_out"
    assert board.last_opening() == app.neighbours.terms[session_id].sale_opens_at


async def test_more_sessions_than_are_shown_are_counted(app: BookingApp) -> None:
    services = app.services
    board = SeatBoard(
        services.holds, services.sessions, services.clock, choose_s=0.0, sessions_max=2
    )
    for _ in range(3):
        await services.holds.stored(app.neighbours.publish())
    await board.look()
    assert (len(board.sessions), board.left_out) == (2, 1)
