"""Plans of halls: every organizer reads and uses those of all venues, and changes those of their own."""

import re
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, QueryParameter, RawBody
from litestar.response import Stream

from catalog.encoded import PACKED_ALONE_FROM_BYTES, Encoded, Packed, encode, pack
from catalog.halls.document import PlanDocument
from catalog.plans import managing
from catalog.plans.documents import CheckedPlan, laid_out
from catalog.plans.wire import Plan, PlanHall, PlanList
from catalog.problems import PlanChanged, RevisionRequired, TooManyPlans
from catalog.routes.conditional import PRIVATELY, TAGS, answer, answer_map, documented, has_already
from catalog.routes.parameters import catalog_of
from chassis.auth.access import ORGANIZERS, access
from chassis.auth.tokens import Principal
from chassis.http.idempotency import ONCE, once_by_key
from chassis.http.pagination import PageNumber, PageSize
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.postgres.pool import connection, transaction
from chassis.problems import FieldError, ValidationFailed

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description='The ETag of the plan that you have seen, such as `"3"`, or `*` for any.',
    ),
]
Scale = Annotated[
    float,
    QueryParameter(ge=0.001, le=1000, description="Units of the drawing for a seat's width."),
]
CSV, SVG = "text/csv", "image/svg+xml"
_REVISION = re.compile(r'(?:W/)?"(\d{1,9})(?:-[a-z]+)?"')


@get(
    "/api/v1/venues/{venue_id:uuid}/plans",
    operation_id="list_plans",
    summary="List the plans of a venue",
    tags=TAGS,
    opt=access(*ORGANIZERS),
    responses=documented(PlanList, conditional=True),
)
async def list_plans(
    request: Request[Any, Any, Any],
    principal: Caller,
    venue_id: FromPath[UUID],
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> Response[bytes]:
    """The plans of a venue by name, without their documents."""
    async with connection(catalog_of(request).pool) as db:
        found = await managing.list_plans(db, venue_id, page, page_size)
    return answer(request, encode(found), PRIVATELY)


@post(
    "/api/v1/venues/{venue_id:uuid}/plans",
    operation_id="create_plan",
    summary="Create a plan of a hall",
    tags=TAGS,
    opt=access(*ORGANIZERS, body=PlanDocument, problems=(*ONCE, TooManyPlans)),
    responses=documented(Plan, 201),
)
async def create_plan(
    request: Request[Any, Any, Any],
    principal: Caller,
    venue_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Keeps a plan at your own venue. The body is the plan's document (docs/halls.md)."""
    catalog = catalog_of(request)
    async with connection(catalog.pool) as db:
        await managing.require_own_venue(db, principal, venue_id)
    checked = await catalog.documents.checked(body)
    return await once_by_key(
        catalog.pool,
        request,
        principal,
        key=idempotency_key,
        body=checked,
        effect=lambda tx: managing.create_plan(tx, principal, venue_id, checked),
        headers={"ETag": _tag(1)},
    )


@get(
    "/api/v1/plans/{plan_id:uuid}",
    operation_id="get_plan",
    summary="Get a plan",
    tags=TAGS,
    opt=access(*ORGANIZERS),
    responses=documented(Plan, conditional=True),
)
async def get_plan(
    request: Request[Any, Any, Any], principal: Caller, plan_id: FromPath[UUID]
) -> Response[bytes] | Stream:
    """A plan with its document. Send its ETag as If-Match when you replace it."""
    async with connection(catalog_of(request).pool) as db:
        row = await managing.read_plan(db, plan_id)
    body = msgspec.json.encode(managing.plan_answer(row, row["document"]))
    return answer(request, Encoded(body, _tag(row["revision"])), PRIVATELY)


@get(
    "/api/v1/plans/{plan_id:uuid}/hall",
    operation_id="preview_plan",
    summary="Preview the hall of a plan",
    tags=TAGS,
    opt=access(*ORGANIZERS),
    responses=documented(PlanHall, conditional=True),
)
async def preview_plan(
    request: Request[Any, Any, Any], principal: Caller, plan_id: FromPath[UUID]
) -> Response[bytes] | Stream:
    """The plan laid out, in the form of a session's hall and with the seat ids that a session would have."""
    catalog = catalog_of(request)
    async with connection(catalog.pool) as db:
        row = await managing.read_plan(db, plan_id)
    revision, document = row["revision"], row["document"]
    etag = _tag(revision, "hall")
    if has_already(request, etag):
        return answer(request, Encoded(b"", etag), PRIVATELY)

    def drawn() -> Encoded | Packed:
        hall = managing.preview(plan_id, revision, laid_out(document))
        plain = Encoded(msgspec.json.encode(hall), etag)
        return pack(plain) if len(plain.body) >= PACKED_ALONE_FROM_BYTES else plain

    return answer_map(request, await catalog.documents.run(drawn), PRIVATELY)


@put(
    "/api/v1/plans/{plan_id:uuid}",
    operation_id="replace_plan",
    summary="Replace a plan",
    tags=TAGS,
    opt=access(*ORGANIZERS, body=PlanDocument, problems=(PlanChanged, RevisionRequired)),
    responses=documented(Plan),
)
async def replace_plan(
    request: Request[Any, Any, Any],
    principal: Caller,
    plan_id: FromPath[UUID],
    body: RawBody,
    if_match: IfMatch = None,
) -> Response[bytes]:
    """Replaces a plan of your own venue, if it is still what you have seen. Sessions that were made from it
    keep what they have."""
    seen, _ = await _to_replace(request, principal, plan_id, if_match)
    checked = await catalog_of(request).documents.checked(body)
    return await _replaced(request, principal, plan_id, checked, seen)


@get(
    "/api/v1/plans/{plan_id:uuid}/sections",
    operation_id="export_sections",
    summary="Export the sections of a plan",
    tags=TAGS,
    opt=access(*ORGANIZERS),
    responses={200: ResponseSpec(str, description="", generate_examples=False, media_type=CSV)},
)
async def export_sections(
    request: Request[Any, Any, Any], principal: Caller, plan_id: FromPath[UUID]
) -> Response[bytes]:
    """The sections of a plan as CSV, a line for each row (docs/organizers.md)."""
    catalog = catalog_of(request)
    async with connection(catalog.pool) as db:
        row = await managing.read_plan(db, plan_id)
    headers = {
        "Content-Disposition": f'attachment; filename="plan-{plan_id}.csv"',
        "ETag": _tag(row["revision"], "csv"),
        "Cache-Control": PRIVATELY,
        "Vary": "Authorization",
    }
    body = await catalog.documents.csv(row["document"])
    return Response(body.encode(), media_type=CSV, headers=headers)


@put(
    "/api/v1/plans/{plan_id:uuid}/sections",
    operation_id="import_sections",
    summary="Import the sections of a plan",
    tags=TAGS,
    opt=access(*ORGANIZERS, takes=CSV, problems=(PlanChanged, RevisionRequired)),
    responses=documented(Plan),
)
async def import_sections(
    request: Request[Any, Any, Any],
    principal: Caller,
    plan_id: FromPath[UUID],
    body: RawBody,
    if_match: IfMatch = None,
) -> Response[bytes]:
    """Replaces all sections of a plan of your own venue by those of a CSV, as they were exported."""
    seen, document = await _to_replace(request, principal, plan_id, if_match)
    checked = await catalog_of(request).documents.with_sections(document, body)
    return await _replaced(request, principal, plan_id, checked, seen)


@put(
    "/api/v1/plans/{plan_id:uuid}/outlines",
    operation_id="import_outlines",
    summary="Import outlines of a plan's sections",
    tags=TAGS,
    opt=access(*ORGANIZERS, takes=SVG, problems=(PlanChanged, RevisionRequired)),
    responses=documented(Plan),
)
async def import_outlines(
    request: Request[Any, Any, Any],
    principal: Caller,
    plan_id: FromPath[UUID],
    *,
    body: RawBody,
    if_match: IfMatch = None,
    scale: Scale = 1.0,
) -> Response[bytes]:
    """Gives sections of a plan of your own venue the outlines of an SVG's elements with their keys as ids."""
    seen, document = await _to_replace(request, principal, plan_id, if_match)
    checked = await catalog_of(request).documents.with_outlines(document, body, scale)
    return await _replaced(request, principal, plan_id, checked, seen)


async def _to_replace(
    request: Request[Any, Any, Any], principal: Principal, plan_id: UUID, if_match: str | None
) -> tuple[int, str]:
    """The revision that is replaced, and its document. Raises NotFound, RevisionRequired, PlanChanged."""
    async with connection(catalog_of(request).pool) as db:
        await managing.require_own_plan(db, principal, plan_id)
        row = await managing.read_plan(db, plan_id)
    if if_match is None:
        raise RevisionRequired()
    managing.require_revision(_seen(if_match), row["revision"])
    return row["revision"], row["document"]


async def _replaced(
    request: Request[Any, Any, Any],
    principal: Principal,
    plan_id: UUID,
    checked: CheckedPlan,
    seen: int,
) -> Response[bytes]:
    async with transaction(catalog_of(request).pool) as tx:
        plan = await managing.replace_plan(tx, principal, plan_id, checked, seen)
    return Response(
        msgspec.json.encode(plan),
        media_type="application/json",
        headers={"ETag": _tag(plan.revision)},
    )


@delete(
    "/api/v1/plans/{plan_id:uuid}",
    operation_id="delete_plan",
    summary="Delete a plan",
    tags=TAGS,
    status_code=204,
    opt=access(*ORGANIZERS, problems=(PlanChanged,)),
)
async def delete_plan(
    request: Request[Any, Any, Any],
    principal: Caller,
    plan_id: FromPath[UUID],
    if_match: IfMatch = None,
) -> None:
    """Deletes a plan of your own venue; with If-Match only if it is still what you have seen. Sessions that
    were made from it keep what they have."""
    seen = None if if_match is None else _seen(if_match)
    async with transaction(catalog_of(request).pool) as tx:
        await managing.delete_plan(tx, principal, plan_id, seen)


def _tag(revision: int, form: str = "") -> str:
    """Another form of the plan has another tag (RFC 9110, 8.8.3)."""
    return f'"{revision}-{form}"' if form else f'"{revision}"'


def _seen(if_match: str) -> int | None:
    """The revision of any form's tag. None for `*`. Raises ValidationFailed."""
    if if_match.strip() == "*":
        return None
    found = _REVISION.fullmatch(if_match.strip())
    if found is None:
        raise ValidationFailed(
            errors=[FieldError("If-Match", "must be the ETag of the plan that you have seen")]
        )
    return int(found[1])


PLAN_ROUTES = [
    *(list_plans, create_plan, get_plan, preview_plan, replace_plan, delete_plan),
    *(export_sections, import_sections, import_outlines),
]
