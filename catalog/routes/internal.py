"""What other services ask and tell. The gateway forwards none of this."""

import time
from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath, RawBody

from catalog.contract import ShowTerms
from catalog.terms import Terms
from chassis import logs
from chassis.access import INTERNAL, access
from chassis.body import decode
from chassis.events import EventBatch
from chassis.inbox import Inbox

log = logs.get("catalog")


@get("/internal/sessions/{session_id:uuid}", opt=access(INTERNAL), include_in_schema=False)
async def get_terms(request: Request[Any, Any, Any], session_id: FromPath[UUID]) -> Response[bytes]:
    """SessionTerms."""
    started = time.perf_counter()
    terms: Terms = request.app.state.terms
    found = await terms.terms(session_id)
    duration = f"{round((time.perf_counter() - started) * 1000)}ms"
    log.info("session_read", session=session_id, duration=duration)
    return Response(found.body, media_type="application/json")


@get("/internal/sessions/{session_id:uuid}/plan", opt=access(INTERNAL), include_in_schema=False)
async def get_plan(request: Request[Any, Any, Any], session_id: FromPath[UUID]) -> Response[bytes]:
    """SeatPlan."""
    terms: Terms = request.app.state.terms
    found = await terms.plan(session_id)
    log.info("plan_read", session=session_id)
    return Response(found.body, media_type="application/json")


@get("/internal/shows/{show_id:uuid}", opt=access(INTERNAL), include_in_schema=False)
async def get_show_terms(request: Request[Any, Any, Any], show_id: FromPath[UUID]) -> ShowTerms:
    terms: Terms = request.app.state.terms
    found = await terms.show(show_id)
    log.info("show_read", show=show_id)
    return found


@post("/internal/events", status_code=204, opt=access(INTERNAL), include_in_schema=False)
async def take_events(request: Request[Any, Any, Any], body: RawBody) -> None:
    """EventBatch: 204 once every event has taken effect, now or before."""
    inbox: Inbox = request.app.state.inbox
    await inbox.take(decode(EventBatch, body).events)


INTERNAL_ROUTES = [get_terms, get_plan, get_show_terms, take_events]
