"""The wall's feed: once, or as a stream. The app's state has `wall_feed: booking.wall.feed.WallFeed`."""

from typing import Any

from litestar import Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream

from booking.wall.feed import WallFeed
from booking.wall.frames import WallSnapshot
from chassis.auth.access import access
from chassis.http.parameters import Caller
from chassis.problems import Overloaded, Unavailable

WATCHERS = ("admin", "operator")
SEQ_DIGITS_MAX = 15


@get(
    "/api/v1/operations/wall/snapshot",
    operation_id="read_wall",
    opt=access(*WATCHERS, problems=(Unavailable,)),
)
async def read_wall(request: Request[Any, Any, Any]) -> WallSnapshot:
    """The state of the whole platform now, with the points of the last minute, hour and sale."""
    feed: WallFeed = request.app.state.wall_feed
    return await feed.snapshot()


@get(
    "/api/v1/operations/wall",
    operation_id="follow_wall",
    opt=access(*WATCHERS, problems=(Unavailable, Overloaded)),
    responses={
        200: ResponseSpec(
            str,
            generate_examples=False,
            media_type="text/event-stream",
            description="Server-sent events: `snapshot`, then `frame` each second, or `silence`.",
        )
    },
)
async def follow_wall(request: Request[Any, Any, Any], principal: Caller) -> Stream:
    """Streams the wall. `Last-Event-ID` resumes after that frame if it is still known."""
    feed: WallFeed = request.app.state.wall_feed
    sent = request.headers.get("last-event-id", "").strip()
    is_seq = sent.isascii() and sent.isdigit() and len(sent) <= SEQ_DIGITS_MAX
    last_seq = int(sent) if is_seq else None  # an invalid one is ignored
    events = await feed.follow(last_seq, principal.expires_at)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # no buffering in proxies
    return Stream(events, media_type="text/event-stream", headers=headers)


WALL_ROUTES = [read_wall, follow_wall]
