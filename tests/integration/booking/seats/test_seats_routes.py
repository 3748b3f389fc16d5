"""The two routes of the live state: conditional reads and server-sent events."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar

from booking.routes.seats import SEAT_ROUTES as ROUTES
from booking.seats.holds import SeatHolds
from booking.seats.live import LiveSeats
from chassis.events.broker import MemoryBroker
from chassis.http.service import service_app
from chassis.ids import uuid7
from chassis.seam.upstream import Upstreams
from chassis.settings import Settings
from chassis.wiring import wire
from tests.support.seats import DictTruth, exact, seat_holds


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


@pytest.fixture
def app(live: LiveSeats, redis_url: str) -> Litestar:
    async def ready(_: Litestar) -> dict[str, bool]:
        return {}

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        yield

    settings = Settings(database_url="postgresql://unused", redis_url=redis_url)
    nowhere: Any = None
    seam = Upstreams(identity=nowhere, catalog=nowhere, booking=nowhere, notification=nowhere)
    wiring = wire(settings, seam, MemoryBroker([]))
    made = service_app("booking", wiring, routes=ROUTES, lifespan=lifespan, ready=ready)
    made.state.live_seats = live
    return made


class Asking:
    """One GET under way: what was sent back so far, and a client that may go."""

    def __init__(self, app: Litestar, path: str, **headers: str) -> None:
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gone = asyncio.Event()
        fields = {"host": "test", **headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in fields.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        self.serving = asyncio.create_task(app(scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.put_nowait(message)

    async def start(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(5):
            message = await self.sent.get()
        headers = {name.decode(): value.decode() for name, value in message["headers"]}
        return message["status"], headers

    async def body(self) -> bytes:
        """The next piece."""
        async with asyncio.timeout(5):
            return bytes((await self.sent.get())["body"])


async def get(app: Litestar, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    asking = Asking(app, path, **headers)
    status, fields = await asking.start()
    body = await asking.body()
    await asking.serving
    return status, fields, body


async def test_the_route_answers_304_to_who_has_it_already(app: Litestar, truth: DictTruth) -> None:
    path = f"/api/v1/sessions/{truth.publish('..|..')}/seats"
    status, headers, body = await get(app, path)
    answer = json.loads(body)
    assert (status, answer["seats"]) == (200, "....")
    assert headers["etag"] == f'"{answer["version"]}"'
    assert headers["cache-control"] == "no-cache"
    tag = headers["etag"]
    for sent in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        status, headers, body = await get(app, path, if_none_match=sent)
        assert (status, body, headers["etag"]) == (304, b"", tag)
    status, _, _ = await get(app, path, if_none_match='"1"')
    assert status == 200


@pytest.mark.parametrize("tail", ["seats", "seats/stream"])
async def test_unknown_sessions_are_problems(app: Litestar, tail: str) -> None:
    for name in (uuid7(), "nonsense"):
        status, headers, body = await get(app, f"/api/v1/sessions/{name}/{tail}")
        assert (status, headers["content-type"]) == (404, "application/problem+json")
        assert json.loads(body)["code"] == "not-found"


async def test_the_stream_speaks_server_sent_events_until_the_client_goes(
    app: Litestar, live: LiveSeats, holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("...")
    path = f"/api/v1/sessions/{session_id}/seats/stream"
    asking = Asking(app, path, last_event_id="nonsense")
    status, headers = await asking.start()
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert (await asking.body()).startswith(b"retry: ")
    assert (await asking.body()).startswith(b"event: snapshot\nid: ")
    await exact(holds, session_id, [3])
    delta = await asking.body()
    assert b'"changes":[[3,"h"]]' in delta
    asking.gone.set()
    async with asyncio.timeout(5):
        await asyncio.gather(asking.serving, return_exceptions=True)
    assert (live.listeners, live.channels) == (0, {})


async def test_the_stream_goes_on_from_the_last_event_id(
    app: Litestar, live: LiveSeats, holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("...")
    path = f"/api/v1/sessions/{session_id}/seats/stream"
    stays = Asking(app, path)
    await stays.start()
    _, snapshot = await stays.body(), await stays.body()
    number = snapshot.split(b"id: ")[1].split(b"\n")[0].decode()
    await exact(holds, session_id, [1])
    delta = await stays.body()
    back = Asking(app, path, last_event_id=number)
    await back.start()
    _, first = await back.body(), await back.body()
    assert first == delta
    for asking in (stays, back):
        asking.gone.set()
        await asyncio.gather(asking.serving, return_exceptions=True)
