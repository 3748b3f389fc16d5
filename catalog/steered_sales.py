"""Which sales operators have paused or limited, updated by booking's events, for what buyers read.

Each event tells the whole of it with a version, so an older one that comes later changes nothing.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from catalog import store
from chassis.events.envelope import Event
from chassis.observability import logs
from chassis.postgres.pool import Connection
from contracts.booking import SALE_CHANGED, SaleChanged

log = logs.get("catalog")

_decoder = msgspec.json.Decoder(SaleChanged)


async def consume(tx: Connection, events: Sequence[Event]) -> None:
    """Applies new events. Ignores other types. Raises on invalid data."""
    latest: dict[UUID, SaleChanged] = {}
    for event in events:
        if event.type == SALE_CHANGED:
            told = _decoder.decode(event.data)
            known = latest.get(told.session_id)
            if known is None or known.version < told.version:
                latest[told.session_id] = told
    for session_id, told in sorted(latest.items()):
        await store.set_sale_controls(tx, told)
        log.info("sale_controls_moved", session=session_id, paused=told.paused)
