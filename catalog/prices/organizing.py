"""A session's price sheet as its organizer sets and changes it, in the caller's transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from catalog.prices import checks
from catalog.prices.store import keep_sheet
from catalog.prices.wire import Sheet
from chassis.postgres.pool import Connection
from chassis.problems import ValidationFailed

FIELDS = Sheet.__struct_fields__  # a session's body has fields of the same names


def sheet_in(body: Any, before: Sheet | None = None) -> Sheet:
    """What a body says of prices: its own fields, and those of `before` where it has left them out."""
    kept = before or Sheet()
    sent = {name: getattr(body, name) for name in FIELDS}
    return msgspec.structs.replace(
        kept, **{name: value for name, value in sent.items() if value is not UNSET}
    )


def fields_changed(before: Sheet, after: Sheet) -> list[str]:
    return [name for name in FIELDS if getattr(before, name) != getattr(after, name)]


async def set_prices(
    tx: Connection, session_id: UUID, sheet: Sheet, areas: Sequence[tuple[str, int]]
) -> None:
    """Of a draft with these areas, names and prices in order. `sheet` has passed checks.sheet. Raises
    ValidationFailed for a price in an area that is not one of them."""
    errors = list(checks.areas_of(sheet, [name for name, _ in areas]))
    if errors:
        raise ValidationFailed(errors=errors)
    await keep_sheet(tx, session_id, sheet, areas)
