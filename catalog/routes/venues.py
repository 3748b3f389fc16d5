"""Venues: every organizer sees and uses all of them, and changes their own."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.params import FromPath, RawBody

from catalog import checks
from catalog import venues as at_venues
from catalog.encoded import encode
from catalog.problems import TimeZoneFrozen, TooManyVenues, VenueHasShows
from catalog.routes.conditional import PRIVATELY, TAGS, answer, documented
from catalog.routes.parameters import catalog_of
from catalog.wire import ChangeVenue, CreateVenue, Venue, VenueList
from chassis.auth.access import ORGANIZERS, access
from chassis.http.bodies import decode
from chassis.http.idempotency import ONCE, once_by_key
from chassis.http.pagination import PageNumber, PageSize
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.postgres.pool import connection, transaction


@get(
    "/api/v1/venues",
    operation_id="list_venues",
    summary="List venues",
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
    """All venues, by name. Any organizer may hold a show at any venue."""
    async with connection(catalog_of(request).pool) as db:
        found = await at_venues.list_venues(db, page, page_size)
    return answer(request, encode(found), PRIVATELY)


@post(
    "/api/v1/venues",
    operation_id="create_venue",
    summary="Create a venue",
    tags=TAGS,
    opt=access(*ORGANIZERS, body=CreateVenue, problems=(*ONCE, TooManyVenues)),
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
        catalog_of(request).pool,
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
    """Changes the fields sent of your own venue. A new name, city or address appears on all pages and on
    tickets sold from now on. The time zone may change until a session at this venue is published."""
    change = decode(ChangeVenue, body)
    checks.refuse(checks.time_zone(change.time_zone))
    async with transaction(catalog_of(request).pool) as tx:
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
    """Deletes your own venue, if no show takes place there."""
    async with transaction(catalog_of(request).pool) as tx:
        await at_venues.delete_venue(tx, principal, venue_id)


VENUE_ROUTES = [list_venues, create_venue, change_venue, delete_venue]
