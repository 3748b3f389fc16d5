"""The invariants as queries. Each returns its violations in words.

A query that looks at many rows looks at a page of them at a time (`Part.walk`), so no statement grows with
the platform. Keys of walks begin with the time (UUIDv7): so what is old can be left out.
"""

import functools
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from booking.audit import walks
from booking.audit.walks import BEGINNING, END, Walk
from chassis.postgres.pool import Pool, connection, load_queries

queries = load_queries(Path(__file__).parent / "sql")


class Part(msgspec.Struct, frozen=True):
    """One query of an invariant, and what it walks. No walk: one statement, over few rows."""

    query: str
    walk: Walk | None = None


INVARIANTS: dict[str, tuple[Part, ...]] = {
    "seats_sold_once": (Part("seats_sold_once", walks.SESSIONS),),
    "claims_and_orders_agree": (
        Part("claims_have_orders", walks.CLAIMS),
        Part("orders_have_claims", walks.ORDERS),
    ),
    "orders_add_up": (Part("orders_add_up", walks.ORDERS),),
    "tickets_and_orders_agree": (
        Part("orders_have_tickets", walks.ORDERS),
        Part("tickets_have_orders", walks.TICKETS),
    ),
    "entries_and_tickets_agree": (Part("entries_and_tickets_agree", walks.TICKETS),),
    "money_is_ticketed_or_goes_back": (
        Part("orders_have_money", walks.ORDERS),
        Part("money_has_orders", walks.PAYMENTS),
    ),
    "captured_is_ticketed_or_refunded": (
        Part("captured_is_ticketed_or_refunded", walks.ORDERS),
        Part("refunds_have_seats", walks.REFUNDS),
    ),
    "refunds_are_sent": (Part("refunds_are_sent"),),
    "lost_charges_are_returned": (Part("lost_charges_are_returned"),),
    "cancelled_sessions_are_closed": (Part("cancelled_sessions_are_closed", walks.CANCELLATIONS),),
    "payments_are_answered": (Part("payments_are_answered"),),
    "tallies_are_right": (Part("tallies_are_right", walks.SESSIONS),),
    "promo_uses_are_right": (
        Part("promo_uses_are_right", walks.CODES),
        Part("promo_uses_have_orders", walks.REDEMPTIONS),
    ),
    "tickets_changed_hands_once": (
        Part("tickets_changed_hands_once", walks.TRANSFERS),
        Part("tickets_have_holders", walks.TICKETS),
    ),
    "no_hold_past_its_end": (Part("orders_end"), Part("holds_end", walks.CLAIMS)),
    "history_tells_the_status": (Part("history_tells_the_status", walks.ORDERS),),
    "outbox_is_drained_or_moving": (Part("outbox_is_drained_or_moving"),),
}


async def broken(
    pool: Pool,
    invariant: str,
    *,
    grace_s: float,
    patience_s: float,
    limit: int,
    since: UUID = BEGINNING,
) -> AsyncIterator[list[str]]:
    """Up to `limit` violations of one of INVARIANTS on each page. Holds no connection between two pages.

    grace_s: how long a hold may outlast its expiry.  patience_s: how long events and payments may wait.
    since: leaves out what has an older id, where it has ended by then (`Walk.ends`).
    """
    for part in INVARIANTS[invariant]:
        walk = look(pool, part, grace_s=grace_s, patience_s=patience_s, limit=limit, since=since)
        async for page in walk:
            yield page


async def look(
    pool: Pool,
    part: Part,
    *,
    grace_s: float,
    patience_s: float,
    limit: int,
    since: UUID = BEGINNING,
) -> AsyncIterator[list[str]]:
    """The same for one part of an invariant."""
    query = functools.partial(
        getattr(queries, f"audit_{part.query}"),
        grace=timedelta(seconds=grace_s),
        patience=timedelta(seconds=patience_s),
        limit=limit,
    )
    if part.walk is None:
        async with connection(pool) as db:
            found = [row["broken"] async for row in query(db)]
        yield found
        return
    page_of = getattr(queries, f"audit_page_of_{part.walk.name}")
    after: UUID | None = since if part.walk.ends else BEGINNING
    while after is not None:
        async with connection(pool) as db:
            upto = await page_of(db, after=after, rows=part.walk.rows)
            found = [row["broken"] async for row in query(db, after=after, upto=upto or END)]
        yield found
        after = upto
