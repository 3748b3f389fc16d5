"""What organizers do with the plans of venues. As in catalog.organizing, functions that take `tx` run in the
caller's transaction and return the answer."""

from typing import Any
from uuid import UUID

import msgspec

from catalog import store as catalog_store
from catalog.domain.plan import place_areas
from catalog.halls.hall import Hall
from catalog.maps.compact import area_shape, hall_shape
from catalog.plans import store
from catalog.plans.documents import CheckedPlan
from catalog.plans.wire import Plan, PlanHall, PlanList, PlanSummary, SectionForm
from catalog.problems import PlanChanged, TooManyPlans
from catalog.session_halls import stored_rows
from catalog.store import Record
from chassis.auth.tokens import Principal
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Connection
from chassis.problems import NotFound

PLANS_A_VENUE_MAX = 100

log = logs.get("catalog")


async def require_own_venue(db: Connection, viewer: Principal, venue_id: UUID) -> None:
    """Raises NotFound."""
    _require(viewer, await catalog_store.maker_of_venue(db, venue_id))


async def require_own_plan(db: Connection, viewer: Principal, plan_id: UUID) -> None:
    """A plan is its venue's owner's. Raises NotFound."""
    _require(viewer, await store.maker_of_plan(db, plan_id))


def _require(viewer: Principal, made_by: UUID | None) -> None:
    if made_by is None or not viewer.may_manage(made_by):
        raise NotFound()


async def list_plans(db: Connection, venue_id: UUID, page: int, page_size: int) -> PlanList:
    """A venue's plans, by name. Raises NotFound."""
    if await catalog_store.maker_of_venue(db, venue_id) is None:
        raise NotFound()
    rows, total = await store.plans(db, venue_id, page, page_size)
    return PlanList([_summary(row) for row in rows], page, page_size, total)


async def read_plan(db: Connection, plan_id: UUID) -> Record:
    """With its document. Raises NotFound."""
    row = await store.plan(db, plan_id)
    if row is None:
        raise NotFound()
    return row


async def create_plan(
    tx: Connection, viewer: Principal, venue_id: UUID, checked: CheckedPlan
) -> Plan:
    """Raises NotFound or TooManyPlans."""
    # the lock also makes those who count wait for each other
    if await catalog_store.lock_venue(tx, venue_id) is None:
        raise NotFound()
    await require_own_venue(tx, viewer, venue_id)
    if await store.count_plans(tx, venue_id) >= PLANS_A_VENUE_MAX:
        raise TooManyPlans(f"A venue keeps at most {PLANS_A_VENUE_MAX} plans.")
    fields = msgspec.structs.asdict(checked)
    row = await store.insert_plan(tx, uuid7(), venue_id, **fields)
    log.info("plan_created", plan=row["plan_id"], venue=venue_id, seats=checked.seats)
    return plan_answer(row, checked.document)


async def replace_plan(
    tx: Connection, viewer: Principal, plan_id: UUID, checked: CheckedPlan, seen: int | None
) -> Plan:
    """seen: the revision that the caller has seen, or None to replace any. Raises NotFound or
    PlanChanged."""
    await _lock(tx, viewer, plan_id, seen)
    fields = msgspec.structs.asdict(checked)
    row = await store.replace_plan(tx, plan_id, **fields)
    log.info("plan_replaced", plan=plan_id, revision=row["revision"], seats=checked.seats)
    return plan_answer(row, checked.document)


async def delete_plan(tx: Connection, viewer: Principal, plan_id: UUID, seen: int | None) -> None:
    """Sessions have copies, so nothing else changes. Raises NotFound or PlanChanged."""
    await _lock(tx, viewer, plan_id, seen)
    await store.delete_plan(tx, plan_id)
    log.info("plan_deleted", plan=plan_id)


async def _lock(tx: Connection, viewer: Principal, plan_id: UUID, seen: int | None) -> None:
    await require_own_plan(tx, viewer, plan_id)
    revision = await store.lock_plan(tx, plan_id)
    if revision is None:  # it was deleted a moment ago
        raise NotFound()
    require_revision(seen, revision)


def require_revision(seen: int | None, revision: int) -> None:
    """Raises PlanChanged if another revision was seen. None is any."""
    if seen is not None and seen != revision:
        raise PlanChanged(f"Its revision is {revision} now.", revision=revision)


def plan_answer(row: Record, document: str) -> Plan:
    raw: Any = msgspec.Raw(document.encode())
    return Plan(**msgspec.structs.asdict(_summary(row)), document=raw)


def _summary(row: Record) -> PlanSummary:
    return PlanSummary(
        plan_id=row["plan_id"],
        venue_id=row["venue_id"],
        name=row["name"],
        seats=row["seats"],
        revision=row["revision"],
        created_at=row["created_at"].replace(microsecond=0),
        changed_at=row["changed_at"].replace(microsecond=0),
    )


def preview(plan_id: UUID, revision: int, hall: Hall) -> PlanHall:
    """The hall in the form of a session's, with the seat ids that a session would have."""
    ranges = place_areas([stored_rows(area) for area in hall.areas])
    return PlanHall(
        plan_id=plan_id,
        revision=revision,
        areas=[
            SectionForm(key=area.key, **area_shape(area, room.first))
            for area, room in zip(hall.areas, ranges, strict=True)
        ],
        **hall_shape(hall),
    )
