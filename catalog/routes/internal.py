"""Routes for other services. The gateway forwards none of them."""

import time
from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath, RawBody

from catalog import organizing
from catalog.routes.parameters import catalog_of
from chassis.auth.access import INTERNAL, access
from chassis.context import CURRENT, RequestContext
from chassis.events.envelope import EventBatch
from chassis.http.bodies import decode
from chassis.http.dead_letters import dead_letter_routes
from chassis.observability import logs
from chassis.postgres.pool import transaction
from contracts.catalog import TERMS_LOOKUP_PATH, ShowTerms, TermsLookups

log = logs.get("catalog")


@get("/internal/sessions/{session_id:uuid}", opt=access(INTERNAL), include_in_schema=False)
async def get_terms(request: Request[Any, Any, Any], session_id: FromPath[UUID]) -> Response[bytes]:
    """SessionTerms."""
    started = time.perf_counter()
    found = await catalog_of(request).terms.terms(session_id)
    duration = f"{round((time.perf_counter() - started) * 1000)}ms"
    log.info("session_read", session=session_id, duration=duration)
    return Response(found.body, media_type="application/json")


@post(TERMS_LOOKUP_PATH, status_code=200, opt=access(INTERNAL), include_in_schema=False)
async def look_up_terms(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """TermsFound, for many sessions at once. Each read is logged under the request that needs it."""
    started = time.perf_counter()
    lookups = decode(TermsLookups, body).lookups
    found = await catalog_of(request).terms.of_many([one.session_id for one in lookups])
    duration = f"{round((time.perf_counter() - started) * 1000)}ms"
    for one in lookups:
        token = CURRENT.set(RequestContext(one.request_id, one.span))
        log.info("session_read", session=one.session_id, duration=duration)
        CURRENT.reset(token)
    sessions = b",".join(b"null" if one is None else one.body for one in found)
    return Response(b'{"sessions":[' + sessions + b"]}", media_type="application/json")


@get("/internal/sessions/{session_id:uuid}/plan", opt=access(INTERNAL), include_in_schema=False)
async def get_plan(request: Request[Any, Any, Any], session_id: FromPath[UUID]) -> Response[bytes]:
    """SeatPlan."""
    found = await catalog_of(request).terms.plan(session_id)
    log.info("plan_read", session=session_id)
    return Response(found.body, media_type="application/json")


@post(
    "/internal/sessions/{session_id:uuid}/cancel",
    status_code=204,
    opt=access(INTERNAL),
    include_in_schema=False,
)
async def cancel_session(request: Request[Any, Any, Any], session_id: FromPath[UUID]) -> None:
    """Shows the session as cancelled from now on. Calling it again changes nothing."""
    catalog = catalog_of(request)
    async with transaction(catalog.pool) as tx:
        show_id = await organizing.cancel_session(tx, session_id)
    catalog.terms.forget(session_id)
    if show_id is not None:
        catalog.reading.forget(show_id, session_id)


@get("/internal/shows/{show_id:uuid}", opt=access(INTERNAL), include_in_schema=False)
async def get_show_terms(request: Request[Any, Any, Any], show_id: FromPath[UUID]) -> ShowTerms:
    found = await catalog_of(request).terms.show(show_id)
    log.info("show_read", show=show_id)
    return found


@post("/internal/events", status_code=204, opt=access(INTERNAL), include_in_schema=False)
async def take_events(request: Request[Any, Any, Any], body: RawBody) -> None:
    """EventBatch. 204 once every event has been applied, now or before."""
    await catalog_of(request).inbox.take(decode(EventBatch, body).events)


INTERNAL_ROUTES = [
    *(get_terms, look_up_terms, get_plan, get_show_terms, cancel_session, take_events),
    *dead_letter_routes("catalog", lambda request: catalog_of(request).pool),
]
