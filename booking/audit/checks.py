"""`stampede audit`: checks the invariants of PROMISES.md in PostgreSQL, and Redis against PostgreSQL.

Tests, chaos runs and operators all run this. It is safe at any time on a platform in use.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec

from booking.audit.store import INVARIANTS, broken
from booking.audit.walks import BEGINNING
from booking.composition import Booking, opened
from booking.seats.differences import Difference, look
from booking.seats.holds import SeatHolds
from booking.seats.keys import HOLD_INTENT_MS
from booking.seats.loaded import list_loaded
from chassis.postgres.pool import ROLLED_BACK, Pool
from chassis.problems import NotFound, Problem
from chassis.wiring import Wiring

GRACE_S = 5.0  # PROMISES: no hold past its end, plus this
PATIENCE_S = 60.0  # longest an event may stay in the outbox, or a payment without an answer
DETAILS_MAX = 20  # violations reported of one invariant
LOOK_AGAIN_S = 1.0
REDIS = "redis_equals_postgresql"
LOOKS_MAX = HOLD_INTENT_MS // 1000 + 3  # a step in progress has ended by then


class Finding(msgspec.Struct, frozen=True):
    """One invariant: whether it holds, and examples of violations."""

    name: str
    ok: bool
    details: list[str]


async def audit(wiring: Wiring) -> list[Finding]:
    """Checks every invariant of booking. Needs catalog for the seating plans of sessions in Redis."""
    async with opened(wiring) as booking:
        return await audit_booking(booking)


async def audit_booking(booking: Booking, *, looks_max: int = LOOKS_MAX) -> list[Finding]:
    """`looks_max`: how often Redis and PostgreSQL are compared, a second apart, until they agree."""
    findings = []
    for invariant in INVARIANTS:
        details = await _violations(booking.pool, invariant)
        findings.append(Finding(invariant, not details, details))
    findings.append(await _redis_agrees(booking.holds, looks_max))
    return findings


async def _violations(pool: Pool, invariant: str) -> list[str]:
    """What cannot be told, because the check ran into its time limit, is not sound."""
    found: list[str] = []
    try:
        async for page in pages(pool, invariant):
            found += page
            if len(found) >= DETAILS_MAX:
                break
    except ROLLED_BACK as ended:
        return [*found[: DETAILS_MAX - 1], f"could not be checked: {ended}"]
    return found[:DETAILS_MAX]


def pages(pool: Pool, invariant: str, since: UUID = BEGINNING) -> AsyncIterator[list[str]]:
    """The violations on each page of what one of INVARIANTS looks at, with the limits of PROMISES.md."""
    return broken(
        pool, invariant, grace_s=GRACE_S, patience_s=PATIENCE_S, limit=DETAILS_MAX, since=since
    )


async def _redis_agrees(holds: SeatHolds, looks_max: int) -> Finding:
    details: list[str] = []
    try:
        await compare_redis(holds, details, looks_max=looks_max)
    except Problem as away:
        details.append(f"could not be checked: {away.detail or away.title()}")
    return Finding(REDIS, not details, details[:DETAILS_MAX])


async def compare_redis(
    holds: SeatHolds, details: list[str], *, looks_max: int = LOOKS_MAX
) -> None:
    """Adds the lasting differences to `details`. Raises a Problem if not all could be looked at.

    Compares loaded sessions only: a session that Redis lost is loaded again on its next use."""
    loaded = await list_loaded(holds.calls)
    for session_id in loaded.sessions:
        for difference in await _lasting(holds, session_id, looks_max):
            details.append(
                f"session {session_id} {difference.kind} {difference.what}: Redis says"
                f" {difference.redis} {difference.redis_order},"
                f" PostgreSQL {difference.postgres} {difference.postgres_order}"
            )
    if loaded.away is not None:
        raise loaded.away


async def _lasting(holds: SeatHolds, session_id: UUID, looks_max: int) -> list[Difference]:
    """Differences found by every look, the last one included."""
    lasting: set[Difference] | None = None
    for look_no in range(looks_max):
        if look_no:
            await asyncio.sleep(LOOK_AGAIN_S)
        try:
            seen = set((await look(holds, session_id)).differences)
        except NotFound:  # of another database, or no longer published
            return []
        lasting = seen if lasting is None else lasting & seen
        if not lasting:
            return []
    return sorted(lasting or (), key=lambda one: (one.kind, one.what))
