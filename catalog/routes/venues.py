"""Venues: every organizer sees and uses all of them, and changes their own."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.params import FromPath, RawBody

from catalog import checks
from catalog import venues as at_venues
from catalog.encoded import encode
from catalog.problems import TimeZoneFrozen, VenueHasShows
from catalog.routes.conditional import PRIVATELY, TAGS, answer, documented
from catalog.wire import ChangeVenue, CreateVenue, Venue, VenueList
from chassis.auth.access import ORGANIZERS, access
from chassis.http.bodies import decode
from chassis.http.idempotency import ONCE, once_by_key
from chassis.http.pagination import PageNumber, PageSize
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.postgres.pool import Pool, connection, transaction


@get(
    "/api/v1/venues",
    operation_id="list_venues",
    summary="All venues",
    tags=TAGS,
    opt=access(*ORGANIZERS),
    responses=documented(VenueList, conditional=True),
)
async def list_venues(
    request: Request[Any, Any, Any],
    principal: Caller,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> Response[bytes]:
    """All venues, by name: any organizer may put a show into any of them."""
    pool: Pool = request.app.state.pool
    async with connection(pool) as db:
        found = await at_venues.list_venues(db, page, page_size)
    return answer(request, encode(found), PRIVATELY)


@post(
    "/api/v1/venues",
    operation_id="create_venue",
    summary="Make a venue",
    tags=TAGS,
    opt=access(*ORGANIZERS, body=CreateVenue, problems=ONCE),
    responses=documented(Venue, 201),
)
async def create_venue(
    request: Request[Any, Any, Any],
    principal: Caller,
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    venue = decode(CreateVenue, body)
    checks.refuse(checks.time_zone(venue.time_zone))
    return await once_by_key(
        request,
        principal,
        key=idempotency_key,
        body=venue,
        effect=lambda tx: at_venues.create_venue(tx, principal, venue),
    )


@patch(
    "/api/v1/venues/{venue_id:uuid}",
    operation_id="change_venue",
    summary="Change a venue",
    tags=TAGS,
    opt=access(*ORGANIZERS, body=ChangeVenue, problems=(TimeZoneFrozen,)),
    responses=documented(Venue),
)
async def change_venue(
    request: Request[Any, Any, Any], principal: Caller, venue_id: FromPath[UUID], body: RawBody
) -> Response[bytes]:
    """Changes what is sent of your own venue. Its name, city and address reach every page, and every
    ticket that is sold from now on; the time zone changes until a session there has been published."""
    change = decode(ChangeVenue, body)
    checks.refuse(checks.time_zone(change.time_zone))
    async with transaction(request.app.state.pool) as tx:
        venue = await at_venues.change_venue(tx, principal, venue_id, change)
    return Response(msgspec.json.encode(venue), media_type="application/json")


@delete(
    "/api/v1/venues/{venue_id:uuid}",
    operation_id="delete_venue",
    summary="Delete a venue",
    tags=TAGS,
    status_code=204,
    opt=access(*ORGANIZERS, problems=(VenueHasShows,)),
)
async def delete_venue(
    request: Request[Any, Any, Any], principal: Caller, venue_id: FromPath[UUID]
) -> None:
    """Deletes your own venue while no show takes place there."""
    async with transaction(request.app.state.pool) as tx:
        await at_venues.delete_venue(tx, principal, venue_id)


VENUE_ROUTES = [list_venues, create_venue, change_venue, delete_venue]
