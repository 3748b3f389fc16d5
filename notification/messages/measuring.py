"""Measures what waits to be sent."""

from pathlib import Path

from chassis.observability.reports import Report
from chassis.postgres.pool import Pool, connection, load_queries
from notification.messages.metrics import WAITING, WAITING_AGE

_sql = load_queries(Path(__file__).parent / "sql")


async def measure_messages(pool: Pool, report: Report) -> None:
    async with connection(pool) as db:
        found = await _sql.message_backlog(db)
    report.show(WAITING, {("new",): found["new"], ("tried",): found["tried"]})
    report.show(WAITING_AGE, {("any",): found["oldest_s"]})
