"""Measures what waits for a payment provider."""

from pathlib import Path

from booking.payments import metrics
from chassis.observability.reports import Report
from chassis.postgres.pool import Pool, connection, load_queries

COUNTED_MAX = 10_000

queries = load_queries(Path(__file__).parent / "sql" / "waiting.sql")


async def measure_waiting_money(pool: Pool, provider: str, report: Report) -> None:
    async with connection(pool) as db:
        found = await queries.waiting_money(db, most=COUNTED_MAX)
    for gauge, column in (
        (metrics.UNANSWERED, "unanswered"),
        (metrics.UNANSWERED_AGE, "unanswered_s"),
        (metrics.RETURNS_DUE, "returns_due"),
        (metrics.REFUNDS_DUE, "refunds_due"),
        (metrics.REFUNDS_DUE_AGE, "refunds_due_s"),
        (metrics.REFUNDS_FAILED, "refunds_failed"),
    ):
        report.show(gauge, {(provider,): float(found[column])})
