"""The only module of catalog that runs SQL. Functions have their query's name; see sql/*.sql."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from catalog.domain.plan import Row
from catalog.domain.searching import Search
from catalog.halls.hall import Hall, HallArea
from chassis.http.pagination import offset
from chassis.postgres.pool import Connection, load_queries
from contracts.booking import SaleChanged

_sql = load_queries(Path(__file__).parent / "sql")

_decode_rows = msgspec.json.Decoder(list[Row]).decode
_decode_hall = msgspec.json.Decoder(Hall).decode
_decode_area = msgspec.json.Decoder(HallArea).decode

Record = asyncpg.Record


class AreaRow(msgspec.Struct, frozen=True):
    """An area as stored. `rows` is None for a standing area. `hall`: its place in a plan's hall, None of a
    session that was made from rows. `level`: the name of its level. `kept`: how
    many seats the plan keeps from sale."""

    area_id: UUID
    name: str
    kind: str
    price: int
    capacity: int
    first_seat_id: int
    last_seat_id: int
    rows: list[Row] | None
    hall: HallArea | None = None
    level: str | None = None
    kept: int = 0


class StoredHall(msgspec.Struct, frozen=True):
    """A session's areas in order, and the session's data that its map shows. `hall`: the plan's hall without
    its areas, None of a session that was made from rows."""

    status: str
    currency: str
    hall: Hall | None
    areas: list[AreaRow]


class SessionRow(msgspec.Struct, frozen=True):
    """A session to be stored. It begins as a draft."""

    session_id: UUID
    show_id: UUID
    starts_at: datetime
    local_date: date
    sale_opens_at: datetime
    sale_closes_at: datetime
    currency: str
    max_tickets_per_user: int
    refuse_single_seats: bool


class ShowRow(msgspec.Struct, frozen=True):
    """A show to be stored. The keys are folded texts (catalog.domain.searching)."""

    show_id: UUID
    venue_id: UUID
    title: str
    category: str
    description: str
    poster_url: str | None
    city_key: str
    category_key: str
    search_text: str


async def lock_venues_of(tx: Connection, organizer_id: UUID) -> None:
    """Until the transaction ends, nobody else who takes this lock adds a venue of theirs."""
    await _sql.lock_venues_of(tx, organizer_id=str(organizer_id))


async def count_venues_of(tx: Connection, organizer_id: UUID) -> int:
    return int(await _sql.count_venues_of(tx, organizer_id=organizer_id))


async def insert_venue(tx: Connection, **values: Any) -> None:
    await _sql.insert_venue(tx, **values)


async def venue_for_use(tx: Connection, venue_id: UUID) -> Record | None:
    """The venue cannot change until the transaction ends."""
    found: Record | None = await _sql.venue_for_use(tx, venue_id=venue_id)
    return found


async def maker_of_venue(tx: Connection, venue_id: UUID) -> UUID | None:
    made_by: UUID | None = await _sql.maker_of_venue(tx, venue_id=venue_id)
    return made_by


async def lock_venue(tx: Connection, venue_id: UUID) -> Record | None:
    found: Record | None = await _sql.lock_venue(tx, venue_id=venue_id)
    return found


async def lock_shows_at_venue(tx: Connection, venue_id: UUID) -> None:
    await _all(_sql.lock_shows_at_venue(tx, venue_id=venue_id))


async def lock_drafts_at_venue(tx: Connection, venue_id: UUID) -> list[Record]:
    return await _all(_sql.lock_drafts_at_venue(tx, venue_id=venue_id))


async def was_published_at(tx: Connection, venue_id: UUID) -> bool:
    return bool(await _sql.was_published_at(tx, venue_id=venue_id))


async def is_used(tx: Connection, venue_id: UUID) -> bool:
    return bool(await _sql.is_used(tx, venue_id=venue_id))


async def update_venue(tx: Connection, venue_id: UUID, **values: Any) -> None:
    await _sql.update_venue(tx, venue_id=venue_id, **values)


async def rename_venue_in_shows(
    tx: Connection, venue_id: UUID, *, city_key: str, name_key: str
) -> None:
    await _sql.rename_venue_in_shows(tx, venue_id=venue_id, city_key=city_key, name_key=name_key)


async def move_days(tx: Connection, days: Mapping[UUID, date]) -> None:
    await _sql.move_days(tx, session_ids=list(days), days=list(days.values()))


async def delete_venue(tx: Connection, venue_id: UUID) -> None:
    await _sql.delete_venue(tx, venue_id=venue_id)


async def venues(db: Connection, page: int, page_size: int) -> tuple[list[Record], int]:
    """One page of venues by name, and their total number."""
    rows = await _all(_sql.venues(db, limit=page_size, offset=offset(page, page_size)))
    return rows, await _sql.count_venues(db)


async def insert_show(tx: Connection, show: ShowRow, organizer_id: UUID) -> None:
    values = msgspec.structs.asdict(show)
    await _sql.insert_show(tx, **values, organizer_id=organizer_id)


async def lock_show(tx: Connection, show_id: UUID) -> Record | None:
    found: Record | None = await _sql.lock_show(tx, show_id=show_id)
    return found


async def update_show(tx: Connection, show: ShowRow) -> None:
    await _sql.update_show(tx, **msgspec.structs.asdict(show))


async def delete_show(tx: Connection, show_id: UUID) -> None:
    """Delete its sessions first."""
    await _sql.delete_show(tx, show_id=show_id)


async def set_refund_policy(tx: Connection, show_id: UUID, policy: Any) -> None:
    """`policy`: a struct with the fields of contracts.catalog.RefundPolicy."""
    values = msgspec.structs.asdict(policy)
    await _sql.set_refund_policy(tx, show_id=show_id, **values)


async def show(db: Connection, show_id: UUID) -> Record | None:
    found: Record | None = await _sql.show(db, show_id=show_id)
    return found


async def show_terms(db: Connection, show_id: UUID) -> Record | None:
    found: Record | None = await _sql.show_terms(db, show_id=show_id)
    return found


async def search_shows(
    db: Connection, search: Search, organizer_id: UUID | None
) -> tuple[list[Record], int]:
    """One page of results, and their total number."""
    rows = await _all(
        _sql.search_shows(
            db,
            organizer_id=organizer_id,
            city_key=search.city,
            category_key=search.category,
            words=list(search.words),
            from_day=search.from_day,
            from_time=search.from_time,
            to_day=search.to_day,
            to_time=search.to_time,
            timed=any((search.from_day, search.from_time, search.to_day, search.to_time)),
            limit=search.page_size,
            offset=offset(search.page, search.page_size),
        )
    )
    return [row for row in rows if row["show_id"] is not None], rows[0]["total"]


async def insert_session(
    tx: Connection, session: SessionRow, areas: Sequence[AreaRow], hall: Hall | None
) -> None:
    """hall: of a plan, without its areas."""
    await _sql.insert_session(tx, **msgspec.structs.asdict(session), hall=_json(hall))
    await _insert_areas(tx, session.session_id, areas)


async def replace_areas(
    tx: Connection, session_id: UUID, areas: Sequence[AreaRow], hall: Hall | None
) -> None:
    """Replaces the whole plan of a draft."""
    await _sql.delete_areas(tx, session_ids=[session_id])
    await _sql.set_hall(tx, session_id=session_id, hall=_json(hall))
    await _insert_areas(tx, session_id, areas)


async def set_area_prices(tx: Connection, prices: Mapping[UUID, int]) -> None:
    """Of a draft's areas."""
    await _sql.set_area_prices(tx, area_ids=list(prices), prices=list(prices.values()))


async def _insert_areas(tx: Connection, session_id: UUID, areas: Sequence[AreaRow]) -> None:
    await _sql.insert_areas(
        tx,
        session_id=session_id,
        area_ids=[area.area_id for area in areas],
        names=[area.name for area in areas],
        kinds=[area.kind for area in areas],
        prices=[area.price for area in areas],
        capacities=[area.capacity for area in areas],
        first_seat_ids=[area.first_seat_id for area in areas],
        last_seat_ids=[area.last_seat_id for area in areas],
        plans=[_json(area.rows) for area in areas],
        geometries=[_json(area.hall) for area in areas],
        levels=[area.level for area in areas],
        entrances=[area.hall and area.hall.entrance for area in areas],
        kept=[area.kept for area in areas],
    )


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


async def session(db: Connection, session_id: UUID) -> Record | None:
    return (await sessions(db, [session_id])).get(session_id)


async def sessions(db: Connection, session_ids: Sequence[UUID]) -> dict[UUID, Record]:
    """The existing ones of these sessions."""
    rows = _sql.sessions(db, session_ids=list(session_ids))
    return {row["session_id"]: row async for row in rows}


async def sessions_of_show(db: Connection, show_id: UUID) -> list[Record]:
    return await _all(_sql.sessions_of_show(db, show_id=show_id))


async def areas_of_sessions(
    db: Connection, session_ids: Sequence[UUID]
) -> dict[UUID, list[Record]]:
    """The areas of each of these sessions, in order."""
    found: dict[UUID, list[Record]] = {session_id: [] for session_id in session_ids}
    async for row in _sql.areas_of_sessions(db, session_ids=list(session_ids)):
        found[row["session_id"]].append(row)
    return found


async def standing_of_session(db: Connection, session_id: UUID) -> Record | None:
    found: Record | None = await _sql.standing_of_session(db, session_id=session_id)
    return found


async def hall_of_session(db: Connection, session_id: UUID) -> StoredHall | None:
    """None if there is no such session. Every session has an area."""
    rows = await _all(_sql.hall_of_session(db, session_id=session_id))
    if not rows:
        return None
    hall = None if rows[0]["hall"] is None else _decode_hall(rows[0]["hall"])
    return StoredHall(rows[0]["status"], rows[0]["currency"], hall, [_area(row) for row in rows])


def _area(row: Record) -> AreaRow:
    return AreaRow(
        area_id=row["area_id"],
        name=row["name"],
        kind=row["kind"],
        price=row["price"],
        capacity=row["capacity"],
        first_seat_id=row["first_seat_id"],
        last_seat_id=row["last_seat_id"],
        rows=None if row["plan"] is None else _decode_rows(row["plan"]),
        hall=None if row["geometry"] is None else _decode_area(row["geometry"]),
    )


async def lock_session(tx: Connection, session_id: UUID) -> Record | None:
    found: Record | None = await _sql.lock_session(tx, session_id=session_id)
    return found


async def publish_session(tx: Connection, session_id: UUID) -> None:
    await _sql.publish_session(tx, session_id=session_id)


async def cancel_session(tx: Connection, session_id: UUID) -> UUID | None:
    """Its show, or None if it was cancelled before."""
    show_id: UUID | None = await _sql.cancel_session(tx, session_id=session_id)
    return show_id


async def update_session(tx: Connection, session_id: UUID, *, status: str, **values: Any) -> bool:
    """False if the session no longer has this status."""
    changed = await _sql.update_session(tx, session_id=session_id, status=status, **values)
    return changed is not None


async def lock_sessions_of_show(tx: Connection, show_id: UUID) -> list[Record]:
    return await _all(_sql.lock_sessions_of_show(tx, show_id=show_id))


async def delete_drafts(tx: Connection, session_ids: Sequence[UUID]) -> None:
    """Deletes their areas too."""
    await _sql.delete_areas(tx, session_ids=list(session_ids))
    await _sql.delete_drafts(tx, session_ids=list(session_ids))


async def set_sale_controls(tx: Connection, told: SaleChanged) -> None:
    """If this is newer than what is there."""
    await _sql.set_sale_controls(
        tx,
        session_id=told.session_id,
        paused=told.paused,
        max_tickets_per_user=told.max_tickets_per_user,
        version=told.version,
    )


async def move_availability(tx: Connection, deltas: Mapping[tuple[UUID, UUID], int]) -> set[UUID]:
    """Adds seats taken (negative: released) by session and area. Returns the areas that exist."""
    ordered = sorted(deltas.items(), key=lambda item: item[0][1])
    rows = await _all(
        _sql.move_availability(
            tx,
            session_ids=[session_id for (session_id, _), _ in ordered],
            area_ids=[area_id for (_, area_id), _ in ordered],
            deltas=[delta for _, delta in ordered],
        )
    )
    return {row["area_id"] for row in rows}


async def ping(db: Connection) -> None:
    await db.execute("SELECT 1")


async def _all(rows: Any) -> list[Record]:
    return [row async for row in rows]
