"""The table of plans; see sql/plans.sql."""

from pathlib import Path
from uuid import UUID

from catalog.store import Record
from chassis.http.pagination import offset
from chassis.postgres.pool import Connection, load_queries

_sql = load_queries(Path(__file__).parent / "sql")


async def insert_plan(
    tx: Connection, plan_id: UUID, venue_id: UUID, *, name: str, seats: int, document: str
) -> Record:
    found: Record = await _sql.insert_plan(
        tx, plan_id=plan_id, venue_id=venue_id, name=name, seats=seats, document=document
    )
    return found


async def count_plans(db: Connection, venue_id: UUID) -> int:
    return int(await _sql.count_plans(db, venue_id=venue_id))


async def plans(
    db: Connection, venue_id: UUID, page: int, page_size: int
) -> tuple[list[Record], int]:
    """One page of a venue's plans by name, and their total number."""
    at = offset(page, page_size)
    rows = [row async for row in _sql.plans(db, venue_id=venue_id, limit=page_size, offset=at)]
    return rows, await count_plans(db, venue_id)


async def plan(db: Connection, plan_id: UUID) -> Record | None:
    """With its document, as JSON."""
    found: Record | None = await _sql.plan(db, plan_id=plan_id)
    return found


async def maker_of_plan(db: Connection, plan_id: UUID) -> UUID | None:
    made_by: UUID | None = await _sql.maker_of_plan(db, plan_id=plan_id)
    return made_by


async def lock_plan(tx: Connection, plan_id: UUID) -> int | None:
    """Its revision."""
    revision: int | None = await _sql.lock_plan(tx, plan_id=plan_id)
    return revision


async def replace_plan(
    tx: Connection, plan_id: UUID, *, name: str, seats: int, document: str
) -> Record:
    found: Record = await _sql.replace_plan(
        tx, plan_id=plan_id, name=name, seats=seats, document=document
    )
    return found


async def delete_plan(tx: Connection, plan_id: UUID) -> None:
    await _sql.delete_plan(tx, plan_id=plan_id)
