"""What one of booking's workers measures of everybody's things (chassis.postgres.measuring)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from booking.audit.schedule import ScheduledAudit
from booking.composition import SCHEMA, Booking
from booking.payments.measuring import measure_waiting_money
from booking.seats.sampling import SeatCounts
from booking.tickets.store import signing_since
from chassis.auth.metrics import SIGNING_SINCE
from chassis.concurrency.measuring import Measure
from chassis.observability.certificates import certificate_files, measure_certificates
from chassis.observability.reports import Report
from chassis.postgres.metrics import measure_standbys
from chassis.postgres.pool import Pool, connection, open_pool
from chassis.redis.metrics import UP
from chassis.settings import Settings
from chassis.wiring import Wiring

INTERVAL_S = 5.0
KEYS_INTERVAL_S = 60.0  # of certificates too
POOL_SIZE = 3  # the lead's connection, one for the audit, and one for the others


def measures(booking: Booking, pool: Pool, audited: Pool, settings: Settings) -> list[Measure]:
    """`pool`: connections to measure with. `audited`: where the audit reads."""
    seats = SeatCounts(booking.holds, booking.sessions, booking.clock)
    provider = booking.provider.name

    async def money(report: Report) -> None:
        await measure_waiting_money(pool, provider, report)

    async def redis(report: Report) -> None:
        answered = await booking.holds.calls.look_at_nodes()
        report.show(UP, {(node,): float(up) for node, up in answered.items()})

    async def standbys(report: Report) -> None:
        await measure_standbys(pool, report)

    async def keys(report: Report) -> None:
        async with connection(pool) as db:
            report.show(SIGNING_SINCE, {(use,): at for use, at in await signing_since(db)})

    found = [
        Measure("money", INTERVAL_S, money),
        Measure("seats", INTERVAL_S, seats.measure),
        Measure("redis", INTERVAL_S, redis),
        Measure("standbys", INTERVAL_S, standbys),
        Measure("keys", KEYS_INTERVAL_S, keys),
    ]
    if files := certificate_files(settings):

        async def certificates(report: Report) -> None:
            await measure_certificates(files, report)

        found.append(Measure("certificates", KEYS_INTERVAL_S, certificates))
    if settings.audit_interval_s:
        audit = ScheduledAudit(booking, audited)
        found.append(Measure("audit", settings.audit_interval_s, audit.take))
    return found


@asynccontextmanager
async def measuring_pool(wiring: Wiring) -> AsyncIterator[Pool]:
    pool = await wiring.open_pool(SCHEMA, size=POOL_SIZE)
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def audit_pool(wiring: Wiring, otherwise: Pool) -> AsyncIterator[Pool]:
    """Connections to where the audit reads, opened at its first statement."""
    url = wiring.settings.audit_database_url
    if url is None:
        yield otherwise
        return
    pool = await open_pool(url, SCHEMA, size=1, at_once=False)
    try:
        yield pool
    finally:
        await pool.close()
