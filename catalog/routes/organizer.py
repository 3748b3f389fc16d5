"""What organizers do with their own shows, and admins with all."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, RawBody

from catalog import checks, organizing, store
from catalog.answers import Session, Show, Venue, VenueList
from catalog.domain.ownership import Viewer
from catalog.encoded import encode
from catalog.problems import PlanFrozen, SessionCancelled, VenueInUse
from catalog.reading import Reading
from catalog.requests import (
    ChangeSession,
    ChangeShow,
    CreateSession,
    CreateShow,
    CreateVenue,
    Nothing,
)
from catalog.routes.conditional import PRIVATELY, TAGS, answer, documented
from catalog.terms import Terms
from chassis.access import access
from chassis.body import decode
from chassis.idempotency import Effect, once
from chassis.pages import PageNumber, PageSize
from chassis.postgres import Pool, connection, transaction
from chassis.problems import IdempotencyInFlight, IdempotencyKeyReused
from chassis.tokens import Principal

WHO = ("organizer", "admin")
Asker = NamedDependency[Principal]
ONCE = (IdempotencyInFlight, IdempotencyKeyReused)
Key = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", description="Same key, same body: same answer."),
]


def _viewer(principal: Principal) -> Viewer:
    return Viewer(principal.user_id, "admin" in principal.roles)


async def _once(
    request: Request[Any, Any, Any],
    principal: Principal,
    *,
    key: str | None,
    body: Any,
    effect: Effect,
    status: int = 201,
) -> Response[bytes]:
    """The POST's effect, once per key; the operation with its parameters is what the key belongs to:
    a path may be spelt in several ways (an id in capitals, without hyphens)."""
    parameters = map(str, request.path_params.values())
    return await once(
        request.app.state.pool,
        user_id=principal.user_id,
        route=" ".join([request.route_handler.handler_name, *parameters]),
        key=key,
        body=body,
        status=status,
        effect=effect,
    )


def _changed(request: Request[Any, Any, Any], show_id: UUID, session_id: UUID | None) -> None:
    reading: Reading = request.app.state.reading
    reading.forget(show_id, session_id)
    if session_id is not None:
        terms: Terms = request.app.state.terms
        terms.forget(session_id)


@get(
    "/api/v1/venues",
    operation_id="list_venues",
    summary="All venues",
    tags=TAGS,
    opt=access(*WHO),
    responses=documented(VenueList, conditional=True),
)
async def list_venues(
    request: Request[Any, Any, Any],
    principal: Asker,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> Response[bytes]:
    """All venues, by name: any organizer may put a show into any of them."""
    pool: Pool = request.app.state.pool
    async with connection(pool) as lent:
        rows, total = await store.venues(lent, page, page_size)
    found = VenueList([Venue(**row) for row in rows], page, page_size, total)
    return answer(request, encode(found), PRIVATELY)


@post(
    "/api/v1/venues",
    operation_id="create_venue",
    summary="Make a venue",
    tags=TAGS,
    opt=access(*WHO, body=CreateVenue, problems=ONCE),
    responses=documented(Venue, 201),
)
async def create_venue(
    request: Request[Any, Any, Any], principal: Asker, body: RawBody, idempotency_key: Key = None
) -> Response[bytes]:
    venue = decode(CreateVenue, body)
    checks.refuse(checks.time_zone(venue.time_zone))
    return await _once(
        request,
        principal,
        key=idempotency_key,
        body=venue,
        effect=lambda lent: organizing.create_venue(lent, _viewer(principal), venue),
    )


@post(
    "/api/v1/shows",
    operation_id="create_show",
    summary="Make a show",
    tags=TAGS,
    opt=access(*WHO, body=CreateShow, problems=ONCE),
    responses=documented(Show, 201),
)
async def create_show(
    request: Request[Any, Any, Any], principal: Asker, body: RawBody, idempotency_key: Key = None
) -> Response[bytes]:
    """A show without sessions; the public sees it with its first published one."""
    show = decode(CreateShow, body)
    checks.refuse(checks.refund_policy(show.refund_policy))
    return await _once(
        request,
        principal,
        key=idempotency_key,
        body=show,
        effect=lambda lent: organizing.create_show(lent, _viewer(principal), show),
    )


@patch(
    "/api/v1/shows/{show_id:uuid}",
    operation_id="change_show",
    summary="Change a show",
    tags=TAGS,
    opt=access(*WHO, body=ChangeShow, problems=(VenueInUse,)),
    responses=documented(Show),
)
async def change_show(
    request: Request[Any, Any, Any], principal: Asker, show_id: FromPath[UUID], body: RawBody
) -> Response[bytes]:
    """Changes what is sent."""
    change = decode(ChangeShow, body)
    checks.refuse(checks.refund_policy(change.refund_policy))
    async with transaction(request.app.state.pool) as lent:
        show = await organizing.change_show(lent, _viewer(principal), show_id, change)
    _changed(request, show_id, None)
    return _json(show)


@post(
    "/api/v1/shows/{show_id:uuid}/sessions",
    operation_id="create_session",
    summary="Make a session with its seat plan",
    tags=TAGS,
    opt=access(*WHO, body=CreateSession, problems=ONCE),
    responses=documented(Session, 201),
)
async def create_session(
    request: Request[Any, Any, Any],
    principal: Asker,
    show_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: Key = None,
) -> Response[bytes]:
    """A draft with its seat plan."""
    session = decode(CreateSession, body)
    checks.refuse(checks.session(session))
    return await _once(
        request,
        principal,
        key=idempotency_key,
        body=session,
        effect=lambda lent: organizing.create_session(lent, _viewer(principal), show_id, session),
    )


@patch(
    "/api/v1/sessions/{session_id:uuid}",
    operation_id="change_session",
    summary="Change a session",
    tags=TAGS,
    opt=access(*WHO, body=ChangeSession, problems=(PlanFrozen, SessionCancelled)),
    responses=documented(Session),
)
async def change_session(
    request: Request[Any, Any, Any], principal: Asker, session_id: FromPath[UUID], body: RawBody
) -> Response[bytes]:
    """Sale window and cap while in draft; once published only the end of the sale."""
    change = decode(ChangeSession, body)
    async with transaction(request.app.state.pool) as lent:
        session = await organizing.change_session(lent, _viewer(principal), session_id, change)
    _changed(request, session.show_id, session_id)
    return _json(session)


@post(
    "/api/v1/sessions/{session_id:uuid}/publish",
    operation_id="publish_session",
    summary="Publish a session",
    tags=TAGS,
    status_code=200,
    opt=access(*WHO, problems=(*ONCE, SessionCancelled)),
    responses=documented(Session),
)
async def publish_session(
    request: Request[Any, Any, Any],
    principal: Asker,
    session_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: Key = None,
) -> Response[bytes]:
    """Freezes the plan and opens the session for sale at `sale_opens_at`."""
    nothing = decode(Nothing, body) if body else Nothing()
    published: list[Session] = []

    async def effect(lent: Any) -> Session:
        published.append(await organizing.publish_session(lent, _viewer(principal), session_id))
        return published[0]

    sent = await _once(
        request, principal, key=idempotency_key, body=nothing, effect=effect, status=200
    )
    for session in published:
        _changed(request, session.show_id, session_id)
    return sent


def _json(changed: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(changed), media_type="application/json")


ORGANIZER_ROUTES = [
    list_venues,
    create_venue,
    create_show,
    change_show,
    create_session,
    change_session,
    publish_session,
]
