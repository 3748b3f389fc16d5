"""The invariants as queries. Each returns its violations in words."""

from datetime import timedelta
from pathlib import Path

from chassis.postgres.pool import Pool, connection, load_queries

queries = load_queries(Path(__file__).parent / "sql")

INVARIANTS = (
    "seats_sold_once",
    "claims_and_orders_agree",
    "orders_add_up",
    "tickets_and_orders_agree",
    "entries_and_tickets_agree",
    "money_is_ticketed_or_goes_back",
    "captured_is_ticketed_or_refunded",
    "refunds_are_sent",
    "lost_charges_are_returned",
    "cancelled_sessions_are_closed",
    "payments_are_answered",
    "tallies_are_right",
    "promo_uses_are_right",
    "tickets_changed_hands_once",
    "no_hold_past_its_end",
    "history_tells_the_status",
    "outbox_is_drained_or_moving",
)


async def broken(
    pool: Pool, invariant: str, *, grace_s: float, patience_s: float, limit: int
) -> list[str]:
    """Up to `limit` violations of one of INVARIANTS.

    grace_s: how long a hold may outlast its expiry.  patience_s: how long events and payments may wait.
    """
    async with connection(pool) as db:
        found = getattr(queries, f"audit_{invariant}")(
            db,
            grace=timedelta(seconds=grace_s),
            patience=timedelta(seconds=patience_s),
            limit=limit,
        )
        return [row["broken"] async for row in found]
