"""The live state of a session's seats, once or as a stream; and blocking seats.

The app's state has `live_seats: booking.seats.live.LiveSeats`.
"""

import re
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, RawBody
from litestar.response import Stream

from booking.domain.problems import (
    SeatsTaken,
    SessionNotPublished,
)
from booking.routes.parameters import booking_of
from booking.seats.channel import Event
from booking.seats.live import LiveSeats
from booking.seats.wire import SeatList, SeatsBlocked
from chassis.auth.access import PUBLIC, access
from chassis.http.bodies import decode
from chassis.http.fast_path import SharedAnswer
from chassis.http.parameters import Caller
from chassis.problems import (
    Unavailable,
)

KEEP_ALIVE = b": keep-alive\n\n"
_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_VERSION = re.compile(r"[0-9]{1,16}")


class SeatsNow(msgspec.Struct):
    """`seats` has one character a seat, in seat_id order: `.` free, `h` held, `s` sold, `b` blocked."""

    version: int
    seats: str


@get(
    "/api/v1/sessions/{session_id:uuid}/seats",
    operation_id="read_seats",
    opt=access(PUBLIC, straight=True, problems=(Unavailable,)),
    responses={
        200: ResponseSpec(
            SeatsNow, generate_examples=False, description="The state of every seat."
        ),
        304: ResponseSpec(None, generate_examples=False, description="Not modified."),
    },
)
async def read_seats(
    request: Request[Any, Any, Any], session_id: FromPath[UUID]
) -> Response[bytes]:
    """The state of all seats at one version. The ETag is the version."""
    live: LiveSeats = request.app.state.live_seats
    state = await live.read(session_id)
    headers = {"ETag": f'"{state.version}"', "Cache-Control": "no-cache"}
    if _has_already(request, str(state.version)):
        return Response(b"", status_code=304, headers=headers, media_type="application/json")
    is_current = partial(live.is_current, session_id, state)
    return SharedAnswer(state.body, headers=headers, is_current=is_current)


@get(
    "/api/v1/sessions/{session_id:uuid}/seats/stream",
    operation_id="follow_seats",
    opt=access(PUBLIC, problems=(Unavailable,)),
    responses={
        200: ResponseSpec(
            str,
            generate_examples=False,
            media_type="text/event-stream",
            description="Server-sent events `snapshot` and `delta`, whose id is the version, and `sale`.",
        )
    },
)
async def follow_seats(request: Request[Any, Any, Any], session_id: FromPath[UUID]) -> Stream:
    """Streams the seats: a snapshot, then changes. `Last-Event-ID` resumes after that version if possible.

    `sale` tells whether the session's sale is paused, when that changes.
    """
    live: LiveSeats = request.app.state.live_seats
    sent = request.headers.get("last-event-id", "").strip()
    last_version = int(sent) if _VERSION.fullmatch(sent) else None  # an invalid one is ignored
    events = await live.follow(session_id, last_version)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # no buffering in proxies
    return Stream(_wire(events), media_type="text/event-stream", headers=headers)


async def _wire(events: AsyncGenerator[Event | None, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield b"retry: 1000\n\n"
        async for event in events:
            yield KEEP_ALIVE if event is None else event.wire
    finally:
        await events.aclose()


def _has_already(request: Request[Any, Any, Any], version: str) -> bool:
    sent = ", ".join(request.headers.getall("if-none-match", [])).strip()
    return sent == "*" or version in _TAG.findall(sent)


BLOCKING = (SeatsTaken, SessionNotPublished, Unavailable)


@post(
    "/api/v1/sessions/{session_id:uuid}/block",
    operation_id="block_seats",
    status_code=200,
    opt=access("organizer", "admin", body=SeatList, problems=BLOCKING),
)
async def block_seats(
    request: Request[Any, Any, Any], principal: Caller, session_id: FromPath[UUID], body: RawBody
) -> SeatsBlocked:
    """Blocks free seats of your own session: all of them or none."""
    wanted = decode(SeatList, body)
    return await booking_of(request).blocking.block(principal, session_id, wanted.seats)


@post(
    "/api/v1/sessions/{session_id:uuid}/unblock",
    operation_id="unblock_seats",
    status_code=200,
    opt=access("organizer", "admin", body=SeatList, problems=BLOCKING),
)
async def unblock_seats(
    request: Request[Any, Any, Any], principal: Caller, session_id: FromPath[UUID], body: RawBody
) -> SeatsBlocked:
    """Unblocks seats of your own session, so that they are on sale."""
    wanted = decode(SeatList, body)
    return await booking_of(request).blocking.unblock(principal, session_id, wanted.seats)


SEAT_ROUTES = [read_seats, follow_seats, block_seats, unblock_seats]
