"""Venues. Every organizer may use every venue. Only its creator and admins may change or delete it.

As in catalog.organizing, each function runs in the caller's transaction, and locks are taken in the order
shows, sessions, venue. If a show or draft is created between the first and the last lock, the venue's row
makes one wait for the other. If two still block each other, PostgreSQL aborts one and its client is told
to retry. No draft can be published meanwhile, since that locks its row.
"""

from typing import Any
from uuid import UUID

from msgspec import UNSET

from catalog import store
from catalog.domain.searching import fold
from catalog.organizing import day_at
from catalog.problems import TimeZoneFrozen, TooManyVenues, VenueHasShows
from catalog.store import Record
from catalog.wire import ChangeVenue, CreateVenue, Venue, VenueList
from chassis.auth.tokens import Principal
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Connection
from chassis.problems import NotFound

log = logs.get("catalog")

VENUES_AN_ORGANIZER_MAX = 500  # each keeps up to 100 plans

FIELDS = ("name", "city", "address", "time_zone")


async def list_venues(db: Connection, page: int, page_size: int) -> VenueList:
    """All venues, by name."""
    rows, total = await store.venues(db, page, page_size)
    return VenueList([Venue(**row) for row in rows], page, page_size, total)


async def create_venue(tx: Connection, viewer: Principal, body: CreateVenue) -> Venue:
    """Raises TooManyVenues."""
    # those who count the venues of one organizer wait for each other
    await store.lock_venues_of(tx, viewer.user_id)
    if await store.count_venues_of(tx, viewer.user_id) >= VENUES_AN_ORGANIZER_MAX:
        raise TooManyVenues(f"An organizer has at most {VENUES_AN_ORGANIZER_MAX} venues.")
    values = {name: getattr(body, name) for name in FIELDS}
    venue = Venue(venue_id=uuid7(), **values)
    await store.insert_venue(tx, venue_id=venue.venue_id, created_by=viewer.user_id, **values)
    log.info("venue_created", venue=venue.venue_id)
    return venue


async def change_venue(
    tx: Connection, viewer: Principal, venue_id: UUID, body: ChangeVenue
) -> Venue:
    """A new name, city or address appears on all pages and on tickets sold from now on. The time zone may
    change until a session at this venue is published. Drafts keep their moment in time, not their local
    hour.

    Raises NotFound or TimeZoneFrozen.
    """
    await _require_own(tx, viewer, venue_id)
    await store.lock_shows_at_venue(tx, venue_id)
    await store.lock_drafts_at_venue(tx, venue_id)
    current = await _locked(tx, venue_id)
    wanted: dict[str, Any] = {
        name: current[name] if getattr(body, name) is UNSET else getattr(body, name)
        for name in FIELDS
    }
    if wanted["time_zone"] != current["time_zone"]:
        if await store.was_published_at(tx, venue_id):
            raise TimeZoneFrozen()
        zone = wanted["time_zone"]
        drafts = await store.lock_drafts_at_venue(tx, venue_id)  # includes drafts created meanwhile
        days = {draft["session_id"]: day_at(zone, draft["starts_at"]) for draft in drafts}
        await store.move_days(tx, days)
    await store.update_venue(tx, venue_id, **wanted)
    if (wanted["name"], wanted["city"]) != (current["name"], current["city"]):
        await store.rename_venue_in_shows(
            tx, venue_id, city_key=fold(wanted["city"]), name_key=fold(wanted["name"])
        )
    log.info("venue_changed", venue=venue_id)
    return Venue(venue_id=venue_id, **wanted)


async def delete_venue(tx: Connection, viewer: Principal, venue_id: UUID) -> None:
    """Deletes a venue without shows. Raises NotFound or VenueHasShows."""
    await _require_own(tx, viewer, venue_id)
    await _locked(tx, venue_id)
    if await store.is_used(tx, venue_id):
        raise VenueHasShows()
    await store.delete_venue(tx, venue_id)
    log.info("venue_deleted", venue=venue_id)


async def _require_own(tx: Connection, viewer: Principal, venue_id: UUID) -> None:
    made_by = await store.maker_of_venue(tx, venue_id)
    if made_by is None or not viewer.may_manage(made_by):
        raise NotFound()


async def _locked(tx: Connection, venue_id: UUID) -> Record:
    venue = await store.lock_venue(tx, venue_id)
    if venue is None:  # it was deleted a moment ago
        raise NotFound()
    return venue
