"""The number of seats left in each area, updated by booking's events.

Changes are sums, so their order does not matter. The inbox makes each event count once: this runs in its
transaction. A batch is one statement, whatever its size.
"""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import msgspec

from catalog import store
from chassis.events.envelope import Event
from chassis.observability import logs
from chassis.postgres.pool import Connection
from contracts.booking import (
    SEATS_BLOCKED,
    SEATS_HELD,
    SEATS_RELEASED,
    SEATS_UNBLOCKED,
    SeatsChanged,
)

log = logs.get("catalog")

TAKES = {SEATS_HELD: 1, SEATS_BLOCKED: 1, SEATS_RELEASED: -1, SEATS_UNBLOCKED: -1}

_decoder = msgspec.json.Decoder(SeatsChanged)


async def consume(tx: Connection, events: Sequence[Event]) -> None:
    """Applies new events. Ignores other types and unknown areas. Raises on invalid data."""
    deltas: dict[tuple[UUID, UUID], int] = defaultdict(int)
    for event in events:
        sign = TAKES.get(event.type)
        if sign is None:
            continue
        moved = _decoder.decode(event.data)
        for area_id, seats in moved.areas.items():
            deltas[moved.session_id, UUID(area_id)] += sign * seats
    deltas = {area: delta for area, delta in deltas.items() if delta}
    if deltas:
        known = await store.move_availability(tx, deltas)
        for session, area in deltas:
            if area not in known:
                log.warning("unknown_area_passed_over", session=session, area=area)
    log.info("availability_moved", events=len(events), areas=len(deltas))
