"""What organizers do with their own shows, and admins with all shows."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, patch, post
from litestar.params import FromPath, RawBody
from msgspec import UnsetType

from catalog import checks, organizing
from catalog.problems import (
    PlanFrozen,
    SessionCancelled,
    SessionPublished,
    ShowPublished,
    VenueInUse,
)
from catalog.routes.conditional import TAGS, documented
from catalog.routes.parameters import catalog_of
from catalog.seating import PlanCopy
from catalog.wire import (
    ChangeSession,
    ChangeShow,
    CreateSession,
    CreateShow,
    Nothing,
    Session,
    Show,
)
from chassis.auth.access import ORGANIZERS, access
from chassis.http.bodies import decode
from chassis.http.idempotency import ONCE, once_by_key
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.postgres.pool import transaction


def _changed(request: Request[Any, Any, Any], show_id: UUID, session_id: UUID | None) -> None:
    catalog = catalog_of(request)
    catalog.reading.forget(show_id, session_id)
    if session_id is not None:
        catalog.terms.forget(session_id)


async def _plan_of(
    request: Request[Any, Any, Any], body: CreateSession | ChangeSession
) -> PlanCopy | None:
    """The plan laid out, before a transaction begins. None if there is none; whether that is an error is
    decided in the transaction, where a replayed request has its answer already."""
    if isinstance(body.plan_id, UnsetType):
        return None
    return await catalog_of(request).documents.copy(body.plan_id)


@post(
    "/api/v1/shows",
    operation_id="create_show",
    summary="Create a show",
    tags=TAGS,
    opt=access(*ORGANIZERS, body=CreateShow, problems=ONCE),
    responses=documented(Show, 201),
)
async def create_show(
    request: Request[Any, Any, Any],
    principal: Caller,
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Creates a show without sessions. The public sees it once it has a published session."""
    show = decode(CreateShow, body)
    checks.refuse(checks.refund_policy(show.refund_policy))
    return await once_by_key(
        catalog_of(request).pool,
        request,
        principal,
        key=idempotency_key,
        body=show,
        effect=lambda tx: organizing.create_show(tx, principal, show),
    )


@patch(
    "/api/v1/shows/{show_id:uuid}",
    operation_id="change_show",
    summary="Change a show",
    tags=TAGS,
    opt=access(*ORGANIZERS, body=ChangeShow, problems=(VenueInUse,)),
    responses=documented(Show),
)
async def change_show(
    request: Request[Any, Any, Any], principal: Caller, show_id: FromPath[UUID], body: RawBody
) -> Response[bytes]:
    """Changes the fields sent."""
    change = decode(ChangeShow, body)
    checks.refuse(checks.refund_policy(change.refund_policy))
    async with transaction(catalog_of(request).pool) as tx:
        show = await organizing.change_show(tx, principal, show_id, change)
    _changed(request, show_id, None)
    return _json(show)


@post(
    "/api/v1/shows/{show_id:uuid}/sessions",
    operation_id="create_session",
    summary="Create a session with its seat plan",
    tags=TAGS,
    opt=access(*ORGANIZERS, body=CreateSession, problems=ONCE),
    responses=documented(Session, 201),
)
async def create_session(
    request: Request[Any, Any, Any],
    principal: Caller,
    show_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Creates a draft with its seat plan: `areas`, or a copy of a plan of the show's venue with a price for
    each of its sections. What happens to the plan later does not change the session."""
    session = decode(CreateSession, body)
    checks.refuse(checks.session(session))
    plan = await _plan_of(request, session)
    return await once_by_key(
        catalog_of(request).pool,
        request,
        principal,
        key=idempotency_key,
        body=session,
        effect=lambda tx: organizing.create_session(tx, principal, show_id, session, plan),
    )


@patch(
    "/api/v1/sessions/{session_id:uuid}",
    operation_id="change_session",
    summary="Change a session",
    tags=TAGS,
    opt=access(*ORGANIZERS, body=ChangeSession, problems=(PlanFrozen, SessionCancelled)),
    responses=documented(Session),
)
async def change_session(
    request: Request[Any, Any, Any], principal: Caller, session_id: FromPath[UUID], body: RawBody
) -> Response[bytes]:
    """Changes the fields sent. A draft may change in everything; `areas`, or `plan_id` with `prices`, replace
    the whole plan. Once published, only the end of the sale may change."""
    change = decode(ChangeSession, body)
    checks.refuse(checks.change(change))
    plan = await _plan_of(request, change)
    async with transaction(catalog_of(request).pool) as tx:
        session = await organizing.change_session(tx, principal, session_id, change, plan)
    _changed(request, session.show_id, session_id)
    return _json(session)


@post(
    "/api/v1/sessions/{session_id:uuid}/publish",
    operation_id="publish_session",
    summary="Publish a session",
    tags=TAGS,
    status_code=200,
    opt=access(*ORGANIZERS, problems=(*ONCE, SessionCancelled)),
    responses=documented(Session),
)
async def publish_session(
    request: Request[Any, Any, Any],
    principal: Caller,
    session_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Freezes the plan. Tickets are on sale from `sale_opens_at` on."""
    nothing = decode(Nothing, body) if body else Nothing()
    published: list[Session] = []

    async def effect(tx: Any) -> Session:
        published.append(await organizing.publish_session(tx, principal, session_id))
        return published[0]

    sent = await once_by_key(
        catalog_of(request).pool,
        request,
        principal,
        key=idempotency_key,
        body=nothing,
        effect=effect,
        status=200,
    )
    for session in published:
        _changed(request, session.show_id, session_id)
    return sent


@delete(
    "/api/v1/sessions/{session_id:uuid}",
    operation_id="delete_session",
    summary="Delete a draft session",
    tags=TAGS,
    status_code=204,
    opt=access(*ORGANIZERS, problems=(SessionPublished,)),
)
async def delete_session(
    request: Request[Any, Any, Any], principal: Caller, session_id: FromPath[UUID]
) -> None:
    """Deletes a draft of your own show. A published session can only be cancelled."""
    async with transaction(catalog_of(request).pool) as tx:
        show_id = await organizing.delete_session(tx, principal, session_id)
    _changed(request, show_id, session_id)


@delete(
    "/api/v1/shows/{show_id:uuid}",
    operation_id="delete_show",
    summary="Delete a show",
    tags=TAGS,
    status_code=204,
    opt=access(*ORGANIZERS, problems=(ShowPublished,)),
)
async def delete_show(
    request: Request[Any, Any, Any], principal: Caller, show_id: FromPath[UUID]
) -> None:
    """Deletes your own show with its drafts, if none of its sessions was ever published."""
    async with transaction(catalog_of(request).pool) as tx:
        drafts = await organizing.delete_show(tx, principal, show_id)
    for session_id in (None, *drafts):
        _changed(request, show_id, session_id)


def _json(changed: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(changed), media_type="application/json")


ORGANIZER_ROUTES = [
    *(create_show, change_show, delete_show),
    *(create_session, change_session, publish_session, delete_session),
]
