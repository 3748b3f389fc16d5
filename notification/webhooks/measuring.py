"""Measures what waits to be delivered."""

from pathlib import Path

from chassis.observability.reports import Report
from chassis.postgres.pool import Pool, connection, load_queries
from notification.webhooks.metrics import WAITING, WAITING_AGE

_sql = load_queries(Path(__file__).parent / "sql" / "deliveries.sql")


async def measure_deliveries(pool: Pool, report: Report) -> None:
    async with connection(pool) as db:
        found = await _sql.delivery_backlog(db)
    report.show(WAITING, {("new",): found["new"], ("tried",): found["tried"]})
    report.show(WAITING_AGE, {("any",): found["oldest_s"]})
