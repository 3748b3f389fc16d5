"""What organizers do with shows and sessions. Venues are in catalog.venues.

Each function runs in the caller's transaction and returns the answer. Checks that need no database have
been made before. Another organizer's show is NotFound.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import UNSET, UnsetType

from catalog import checks, store
from catalog.domain.searching import fold
from catalog.halls.hall import Hall
from catalog.prices.organizing import fields_changed, set_prices, sheet_in
from catalog.prices.store import read_sheet
from catalog.problems import (
    PlanFrozen,
    SessionCancelled,
    SessionPublished,
    ShowPublished,
    VenueInUse,
)
from catalog.reading import read_session, read_show
from catalog.search_texts import searched_by
from catalog.seating import PlanCopy, areas_of_rows
from catalog.store import AreaRow, Record, SessionRow, ShowRow
from catalog.wire import (
    ChangeSession,
    ChangeShow,
    CreateSession,
    CreateShow,
    SectionPrice,
    Session,
    Show,
)
from chassis.auth.tokens import Principal
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Connection
from chassis.problems import FieldError, NotFound, ValidationFailed

CHANGES_ALWAYS = ("sale_closes_at",)
CHANGES_WHILE_DRAFT = (
    *("starts_at", "sale_opens_at", "currency", "max_tickets_per_user"),
    "refuse_single_seats",
)

log = logs.get("catalog")


async def create_show(tx: Connection, viewer: Principal, body: CreateShow) -> Show:
    """Raises ValidationFailed if there is no such venue."""
    show_id = uuid7()
    row = await _show_row(
        show_id,
        await _venue(tx, body.venue_id),
        title=body.title,
        category=body.category,
        description=body.description,
        poster_url=body.poster_url,
    )
    await store.insert_show(tx, row, viewer.user_id)
    await store.set_refund_policy(tx, show_id, body.refund_policy)
    log.info("show_created", show=show_id)
    return await read_show(tx, show_id, viewer)


async def change_show(tx: Connection, viewer: Principal, show_id: UUID, body: ChangeShow) -> Show:
    """Raises NotFound, VenueInUse, or ValidationFailed if there is no such venue."""
    current = await store.lock_show(tx, show_id)
    if current is None or not viewer.may_manage(current["organizer_id"]):
        raise NotFound()
    wanted = {
        name: current[name] if getattr(body, name) is UNSET else getattr(body, name)
        for name in ("title", "category", "description", "poster_url", "venue_id")
    }
    if wanted["venue_id"] != current["venue_id"] and await store.sessions_of_show(tx, show_id):
        raise VenueInUse()
    venue = await _venue(tx, wanted.pop("venue_id"))
    await store.update_show(tx, await _show_row(show_id, venue, **wanted))
    if body.refund_policy is not UNSET:
        await store.set_refund_policy(tx, show_id, body.refund_policy)
    log.info("show_changed", show=show_id)
    return await read_show(tx, show_id, viewer)


async def create_session(
    tx: Connection,
    viewer: Principal,
    show_id: UUID,
    body: CreateSession,
    plan: PlanCopy | None = None,
) -> Session:
    """A draft with numbered seats. `body` has passed checks.session; plan: a copy of body.plan_id's, if there
    is one. Raises NotFound or ValidationFailed."""
    show = await store.lock_show(tx, show_id)
    if show is None or not viewer.may_manage(show["organizer_id"]):
        raise NotFound()
    venue = await _venue(tx, show["venue_id"])
    session = SessionRow(
        session_id=uuid7(),
        show_id=show_id,
        starts_at=body.starts_at.astimezone(UTC),
        local_date=day_at(venue["time_zone"], body.starts_at),
        sale_opens_at=body.sale_opens_at.astimezone(UTC),
        sale_closes_at=body.sale_closes_at.astimezone(UTC),
        currency=body.currency,
        max_tickets_per_user=body.max_tickets_per_user,
        refuse_single_seats=body.refuse_single_seats is True,
    )
    hall, areas = _hall_and_areas(body, plan, venue["venue_id"])
    await store.insert_session(tx, session, areas, hall)
    await set_prices(
        tx, session.session_id, sheet_in(body), [(area.name, area.price) for area in areas]
    )
    seats = sum(area.capacity for area in areas)
    log.info("session_created", session=session.session_id, show=show_id, seats=seats)
    return await read_session(tx, session.session_id, viewer)


def day_at(time_zone: str, moment: datetime) -> date:
    """The local day at the venue."""
    return moment.astimezone(ZoneInfo(time_zone)).date()


def _hall_and_areas(
    body: CreateSession | ChangeSession, plan: PlanCopy | None, venue_id: UUID
) -> tuple[Hall | None, list[AreaRow]]:
    """The hall without its areas, if it is a plan's, and the areas as stored."""
    if not isinstance(body.areas, UnsetType):
        return None, areas_of_rows(body.areas)
    if plan is None or plan.venue_id != venue_id:
        raise ValidationFailed(
            errors=[FieldError("plan_id", "must be the id of a plan of the show's venue")]
        )
    given = () if isinstance(body.prices, UnsetType) else body.prices
    checks.refuse(checks.prices(given, [section.key for section in plan.sections]))
    return plan.hall, plan.areas({one.section: one.price for one in given})


async def change_session(
    tx: Connection,
    viewer: Principal,
    session_id: UUID,
    body: ChangeSession,
    plan: PlanCopy | None = None,
) -> Session:
    """Changes the fields sent. `areas` or a plan replace the whole plan. `body` has passed checks.change;
    plan: a copy of body.plan_id's, if there is one.

    The session's row is locked, so a change and a publication at the same time run one after the other.
    Raises NotFound, SessionCancelled, PlanFrozen for fields that are frozen once published, or
    ValidationFailed.
    """
    current = await _own_session(tx, viewer, session_id)
    if current["status"] == "cancelled":
        raise SessionCancelled()
    wanted: dict[str, Any] = {
        name: current[name] if getattr(body, name) is UNSET else getattr(body, name)
        for name in (*CHANGES_WHILE_DRAFT, *CHANGES_ALWAYS)
    }
    sheet = await read_sheet(tx, session_id)
    prices = sheet_in(body, sheet)
    if current["status"] != "draft":
        _refuse_frozen(current, wanted, body, fields_changed(sheet, prices))
    checks.refuse(
        checks.sale_window(wanted["starts_at"], wanted["sale_opens_at"], wanted["sale_closes_at"])
    )
    wanted["local_date"] = current["local_date"]
    if wanted["starts_at"] != current["starts_at"]:
        venue = await _venue(tx, current["venue_id"])
        wanted["local_date"] = day_at(venue["time_zone"], wanted["starts_at"])
    if body.areas is not UNSET or body.plan_id is not UNSET:
        hall, areas = _hall_and_areas(body, plan, current["venue_id"])
        await store.replace_areas(tx, session_id, areas, hall)
    elif body.prices is not UNSET:
        await _change_prices(tx, session_id, body.prices)
    if current["status"] == "draft":
        rows = (await store.areas_of_sessions(tx, [session_id]))[session_id]
        await set_prices(tx, session_id, prices, [(row["name"], row["price"]) for row in rows])
    if not await store.update_session(tx, session_id, status=current["status"], **wanted):
        raise PlanFrozen()
    log.info("session_changed", session=session_id)
    return await read_session(tx, session_id, viewer)


async def _change_prices(
    tx: Connection, session_id: UUID, prices: Sequence[SectionPrice] | UnsetType
) -> None:
    """Of a session that has a copy of a plan. Its areas and seats keep their ids."""
    stored = await store.hall_of_session(tx, session_id)
    areas = () if stored is None or stored.hall is None else stored.areas
    area_ids = {area.hall.key: area.area_id for area in areas if area.hall is not None}
    if not area_ids:  # older code replaces all areas, or none
        raise ValidationFailed(
            errors=[FieldError("prices", "are needed only with a plan; this session has areas")]
        )
    given = () if isinstance(prices, UnsetType) else prices
    checks.refuse(checks.prices(given, list(area_ids)))
    await store.set_area_prices(tx, {area_ids[one.section]: one.price for one in given})


def _refuse_frozen(
    current: Record, wanted: dict[str, Any], body: ChangeSession, prices: list[str]
) -> None:
    """Refuses changes to frozen fields. A field sent with its old value is no change. Plans are not
    compared seat by seat."""
    frozen = [name for name in CHANGES_WHILE_DRAFT if wanted[name] != current[name]] + prices
    frozen += [name for name in ("areas", "plan_id") if getattr(body, name) is not UNSET]
    if body.prices is not UNSET and body.plan_id is UNSET:
        frozen.append("prices")
    if frozen:
        raise PlanFrozen(
            "Once published, only sale_closes_at may change.",
            errors=[
                FieldError(name, "cannot change after the session is published") for name in frozen
            ],
        )


async def delete_session(tx: Connection, viewer: Principal, session_id: UUID) -> UUID:
    """Deletes a draft and returns its show. Raises NotFound or SessionPublished."""
    current = await _own_session(tx, viewer, session_id)
    if current["status"] != "draft":
        raise SessionPublished()
    await store.delete_drafts(tx, [session_id])
    log.info("session_deleted", session=session_id, show=current["show_id"])
    show_id: UUID = current["show_id"]
    return show_id


async def delete_show(tx: Connection, viewer: Principal, show_id: UUID) -> list[UUID]:
    """Deletes a show with its drafts, and returns their ids. Raises NotFound or ShowPublished."""
    show = await store.lock_show(tx, show_id)
    if show is None or not viewer.may_manage(show["organizer_id"]):
        raise NotFound()
    sessions = await store.lock_sessions_of_show(tx, show_id)
    if any(session["status"] != "draft" for session in sessions):
        raise ShowPublished()
    drafts = [session["session_id"] for session in sessions]
    await store.delete_drafts(tx, drafts)
    await store.delete_show(tx, show_id)
    log.info("show_deleted", show=show_id, drafts=len(drafts))
    return drafts


async def publish_session(tx: Connection, viewer: Principal, session_id: UUID) -> Session:
    """Freezes the plan. The session sells from sale_opens_at on. Publishing again changes nothing.

    Raises NotFound or SessionCancelled.
    """
    current = await _own_session(tx, viewer, session_id)
    if current["status"] == "cancelled":
        raise SessionCancelled()
    if current["status"] == "draft":
        await store.publish_session(tx, session_id)
    session = await read_session(tx, session_id, viewer)
    if current["status"] == "draft":
        seats = sum(area.capacity for area in session.seat_areas)
        log.info("session_published", session=session_id, seats=seats)
    return session


async def cancel_session(tx: Connection, session_id: UUID) -> UUID | None:
    """Ends a published session for good, at booking's request. Returns its show, or None if it was
    cancelled before.

    Raises NotFound if there is no such session.
    """
    if await store.lock_session(tx, session_id) is None:
        raise NotFound()
    show_id = await store.cancel_session(tx, session_id)
    if show_id is not None:
        log.info("session_cancelled", session=session_id)
    return show_id


async def _own_session(tx: Connection, viewer: Principal, session_id: UUID) -> Record:
    row = await store.lock_session(tx, session_id)
    if row is None or not viewer.may_manage(row["organizer_id"]):
        raise NotFound()
    return row


async def _venue(tx: Connection, venue_id: UUID) -> Record:
    venue = await store.venue_for_use(tx, venue_id)
    if venue is None:
        raise ValidationFailed(errors=[FieldError("venue_id", "must be the id of a venue")])
    return venue


async def _show_row(
    show_id: UUID,
    venue: Record,
    *,
    title: str,
    category: str,
    description: str,
    poster_url: str | None,
) -> ShowRow:
    return ShowRow(
        show_id=show_id,
        venue_id=venue["venue_id"],
        title=title,
        category=category,
        description=description,
        poster_url=poster_url,
        city_key=fold(venue["city"]),
        category_key=fold(category),
        search_text=await searched_by(title, venue["city"], venue["name"], description),
    )
