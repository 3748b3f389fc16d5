"""What everybody may read. Organizers also get their own drafts."""

import time
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from catalog.domain.searching import (
    Search,
    check_order,
    fold,
    parse_moment,
    storable,
    words_of,
)
from catalog.maps.cached import Form
from catalog.maps.wire import HallForm, SeatMap
from catalog.routes.conditional import (
    BRIEFLY,
    FOREVER,
    PRIVATELY,
    TAGS,
    answer,
    answer_map,
    documented,
    viewer_of,
)
from catalog.routes.parameters import catalog_of
from catalog.wire import Session, SessionList, Show, ShowList
from chassis.auth.access import PRINCIPAL, PUBLIC, access
from chassis.http.bodies import refuse_piled_marks
from chassis.http.pagination import PageNumber, PageSize
from chassis.observability import logs
from chassis.problems import Unauthenticated

log = logs.get("catalog")

QUERY_LENGTH_MAX = 200

Text = Annotated[
    str | None, QueryParameter(description="Exact match. Case and character width do not matter.")
]
Words = Annotated[
    str | None,
    QueryParameter(description="Words in title, description, venue or city. All must occur."),
]
From = Annotated[
    str | None,
    QueryParameter(name="from", description="A day at the venue (2026-12-24) or an RFC 3339 time."),
]
To = Annotated[
    str | None, QueryParameter(name="to", description="Like `from`. The end is included.")
]
Mine = Annotated[bool, QueryParameter(description="Only your own shows, with drafts (organizers).")]


@get(
    "/api/v1/shows",
    operation_id="search_shows",
    summary="Search shows",
    tags=TAGS,
    opt=access(PUBLIC, straight=True),
    responses=documented(ShowList, conditional=True),
)
async def search_shows(
    request: Request[Any, Any, Any],
    *,
    page: PageNumber = 1,
    page_size: PageSize = 20,
    city: Text = None,
    category: Text = None,
    q: Words = None,
    from_: From = None,
    to: To = None,
    mine: Mine = False,
) -> Response[bytes]:
    """Shows with a published session, by next date, then title."""
    started = time.perf_counter()
    search = search_of(
        page=page, page_size=page_size, city=city, category=category, q=q, from_=from_, to=to
    )
    reading = catalog_of(request).reading
    if mine:
        principal = request.scope.get(PRINCIPAL)
        if principal is None:
            raise Unauthenticated()
        found = await reading.own_shows(search, principal.user_id)  # type: ignore[attr-defined]
    else:
        found = await reading.shows(search)
    log.info("shows_searched", results=found.total, duration=_since(started))
    if mine:
        return answer(request, found, PRIVATELY)
    return answer(request, found, BRIEFLY, is_current=reading.searched(search, found))


def search_of(
    *,
    page: int,
    page_size: int,
    city: str | None,
    category: str | None,
    q: str | None,
    from_: str | None,
    to: str | None,
) -> Search:
    """The parsed search. Empty parameters are no condition. Raises ValidationFailed."""
    start, end = parse_moment("from", from_), parse_moment("to", to)
    check_order(start, end)
    return Search.between(
        start,
        end,
        city=fold(_text("city", city)) or None,
        category=fold(_text("category", category)) or None,
        words=words_of(_text("q", q)),
        page=page,
        page_size=page_size,
    )


def _text(field: str, text: str | None) -> str:
    text = storable(field, text, QUERY_LENGTH_MAX)
    refuse_piled_marks(field, text)
    return text


@get(
    "/api/v1/shows/{show_id:uuid}",
    operation_id="get_show",
    summary="Get a show",
    tags=TAGS,
    opt=access(PUBLIC, straight=True),
    responses=documented(Show, conditional=True),
)
async def get_show(request: Request[Any, Any, Any], show_id: FromPath[UUID]) -> Response[bytes]:
    """A show with its venue and sessions."""
    started, viewer = time.perf_counter(), viewer_of(request)
    reading = catalog_of(request).reading
    show = await reading.show(show_id, viewer)
    log.info("show_read", show=show_id, duration=_since(started))
    if viewer is not None:
        return answer(request, show, PRIVATELY)
    return answer(request, show, BRIEFLY, is_current=reading.shown(show_id, show))


@get(
    "/api/v1/shows/{show_id:uuid}/sessions",
    operation_id="list_sessions",
    summary="List the sessions of a show",
    tags=TAGS,
    opt=access(PUBLIC, straight=True),
    responses=documented(SessionList, conditional=True),
)
async def list_sessions(
    request: Request[Any, Any, Any], show_id: FromPath[UUID]
) -> Response[bytes]:
    """The sessions of a show, by date."""
    started, viewer = time.perf_counter(), viewer_of(request)
    reading = catalog_of(request).reading
    sessions = await reading.sessions(show_id, viewer)
    log.info("sessions_read", show=show_id, duration=_since(started))
    if viewer is not None:
        return answer(request, sessions, PRIVATELY)
    return answer(request, sessions, BRIEFLY, is_current=reading.listed(show_id, sessions))


@get(
    "/api/v1/sessions/{session_id:uuid}",
    operation_id="get_session",
    summary="Get a session",
    tags=TAGS,
    opt=access(PUBLIC, straight=True),
    responses=documented(Session, conditional=True),
)
async def get_session(
    request: Request[Any, Any, Any], session_id: FromPath[UUID]
) -> Response[bytes]:
    """A session with its areas and availability."""
    started, viewer = time.perf_counter(), viewer_of(request)
    reading = catalog_of(request).reading
    session = await reading.session(session_id, viewer)
    log.info("session_read", session=session_id, duration=_since(started))
    if viewer is not None:
        return answer(request, session, PRIVATELY)
    return answer(request, session, BRIEFLY, is_current=reading.shown_alone(session_id, session))


@get(
    "/api/v1/sessions/{session_id:uuid}/seat-map",
    operation_id="get_seat_map",
    summary="Get the seat map of a session",
    tags=TAGS,
    opt=access(PUBLIC, straight=True),
    responses=documented(SeatMap, conditional=True),
)
async def get_seat_map(
    request: Request[Any, Any, Any], session_id: FromPath[UUID]
) -> Response[bytes] | Stream:
    """The seat plan of a session, with coordinates to draw it. It never changes once the session is
    published."""
    return await _drawn(request, "seat-map", session_id)


@get(
    "/api/v1/sessions/{session_id:uuid}/hall",
    operation_id="get_hall",
    summary="Get the hall of a session",
    tags=TAGS,
    opt=access(PUBLIC, straight=True),
    responses=documented(HallForm, conditional=True),
)
async def get_hall(
    request: Request[Any, Any, Any], session_id: FromPath[UUID]
) -> Response[bytes] | Stream:
    """The seat plan of a session in a compact form, to draw it: the stage, areas with outlines, and rows as
    lines and arcs. It never changes once the session is published."""
    return await _drawn(request, "hall", session_id)


async def _drawn(
    request: Request[Any, Any, Any], form: Form, session_id: UUID
) -> Response[bytes] | Stream:
    started, viewer = time.perf_counter(), viewer_of(request)
    halls = catalog_of(request).drawn_halls
    drawn = await halls.find(form, session_id, viewer)
    read = "hall_read" if form == "hall" else "seat_map_read"
    log.info(read, session=session_id, duration=_since(started))
    cache_control = FOREVER if drawn.frozen else PRIVATELY
    is_current = halls.kept(form, session_id, drawn) if drawn.frozen else None
    return answer_map(request, drawn.form, cache_control, is_current=is_current)


def _since(started: float) -> str:
    return f"{round((time.perf_counter() - started) * 1000)}ms"


PUBLIC_ROUTES = [search_shows, get_show, list_sessions, get_session, get_seat_map, get_hall]
