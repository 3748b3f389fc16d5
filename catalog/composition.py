"""Catalog's objects, built by hand once a process."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from catalog import availability, steered_sales
from catalog.maps.cached import DrawnHalls, drafts_lane
from catalog.plans.documents import Documents
from catalog.reading import Reading
from catalog.terms import Terms
from chassis.events.envelope import Event
from chassis.events.inbox import Inbox
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool
from chassis.wiring import Wiring

SCHEMA = "catalog"


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """The objects that the routes call."""

    pool: Pool
    reading: Reading
    drawn_halls: DrawnHalls
    documents: Documents
    terms: Terms
    inbox: Inbox


@asynccontextmanager
async def opened(wiring: Wiring) -> AsyncIterator[Catalog]:
    """Catalog over an open pool."""
    size = wiring.settings.database_pool_size
    pool = await wiring.open_pool(SCHEMA, size=size)
    drafts = drafts_lane()
    drawn_halls = DrawnHalls(pool, drafts)
    documents = Documents(pool, drafts)
    try:
        yield Catalog(
            pool=pool,
            reading=Reading(pool),
            drawn_halls=drawn_halls,
            documents=documents,
            terms=Terms(pool),
            inbox=make_inbox(pool),
        )
    finally:
        drawn_halls.close()
        drafts.close()
        documents.close()
        await pool.close()


def make_inbox(pool: Pool) -> Inbox:
    """Not ordered: changes of availability are sums, and those of a sale have versions."""
    return Inbox(pool, SCHEMA, _consume, logs.get(SCHEMA), ordered=False)


async def _consume(tx: Connection, events: Sequence[Event]) -> None:
    await availability.consume(tx, events)
    await steered_sales.consume(tx, events)
