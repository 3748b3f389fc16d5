"""Sessions' price sheets; see sql/prices.sql."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from catalog.prices.reading import price_from, sheet_of, terms_of
from catalog.prices.wire import Sheet
from chassis.postgres.pool import Connection, load_queries

_sql = load_queries(Path(__file__).parent / "sql")


async def read_sheet(db: Connection, session_id: UUID) -> Sheet:
    """An empty one where there is none."""
    return sheet_of(await _sql.read_sheet(db, session_id=session_id))


async def keep_sheet(
    tx: Connection, session_id: UUID, sheet: Sheet, areas: Sequence[tuple[str, int]]
) -> None:
    """`areas`: name and price of each of the draft's areas, in order. An empty sheet leaves no row."""
    if sheet == Sheet():
        await _sql.delete_sheet(tx, session_id=session_id)
        return
    rows = [{"name": name, "price": price} for name, price in areas]
    await _sql.keep_sheet(
        tx,
        session_id=session_id,
        sheet=msgspec.json.encode(sheet).decode(),
        price_from=price_from(terms_of(sheet, rows), rows),
    )
