"""`stampede reconcile`: one pass over everything that survives a database."""

import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

from booking.composition import Booking, opened
from booking.recovery import store
from booking.recovery.charges import ChargeRecovery
from booking.recovery.findings import Finding
from booking.recovery.messages import MessageRecovery
from booking.recovery.refunds import RefundRecovery
from booking.recovery.seats import SETTLED_S, SeatRecovery
from booking.seats.store import database_now
from chassis.wiring import Wiring

# Charges and mails that are younger are left to whoever is at work on them. Longer than any provider's
# deadline, and than a request waits for its statement.
MARGIN_S = 60.0


async def reconcile(
    wiring: Wiring, since: datetime, *, apply: bool
) -> AsyncGenerator[Finding, None]:
    """Every finding of what happened from `since` on, as it is found. Raises AnotherReconcile.

    Run it in a request's context: what it causes has that request's id.
    """
    async with opened(wiring) as booking:
        async for finding in reconcile_booking(booking, since, apply=apply):
            yield finding


async def reconcile_booking(
    booking: Booking,
    since: datetime,
    *,
    apply: bool,
    margin_s: float = MARGIN_S,
    settled_s: float = SETTLED_S,
) -> AsyncGenerator[Finding, None]:
    """margin_s: how old a charge or a mail must be.  settled_s: how long Redis must differ."""
    async with contextlib.AsyncExitStack() as stack:
        if apply:
            await stack.enter_async_context(store.alone(booking.pool))
        until = await database_now(booking.pool) - timedelta(seconds=margin_s)
        async for finding in ChargeRecovery(booking, apply=apply).findings(since, until):
            yield finding
        async for finding in RefundRecovery(booking, apply=apply).findings(since, until):
            yield finding
        async for finding in MessageRecovery(booking, apply=apply).findings(since, until):
            yield finding
        async for finding in SeatRecovery(booking, apply=apply, settled_s=settled_s).findings():
            yield finding
