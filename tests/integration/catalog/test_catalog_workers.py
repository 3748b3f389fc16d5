"""Catalog's background work ends when told to, and forgets what is old."""

import asyncio
from uuid import uuid4

import msgspec

from catalog import workers
from chassis.events.broker import MemoryBroker
from chassis.seam.upstream import Upstreams
from chassis.settings import Settings
from chassis.wiring import wire
from contracts.booking import SEATS_HELD
from runtime.compose import LocalUpstream
from tests.support.catalog import catalog_tables, running_catalog, seats_changed

OLD_KEY = """INSERT INTO idempotency_keys
             VALUES ($1, 'POST /x', $2, '', 201, '', now() - $3::text::interval)"""
DUE_LETTER = """INSERT INTO dead_letters (event_id, event, reason, next_attempt)
                VALUES ($1, $2::jsonb, 'the database was in a bad mood', now())"""


async def test_old_keys_are_forgotten_and_failed_events_tried_again(database_url: str) -> None:
    nobody = LocalUpstream()
    seam = Upstreams(identity=nobody, catalog=nobody, booking=nobody, notification=nobody)
    wiring = wire(Settings(database_url=database_url), seam, MemoryBroker([]))
    stop = asyncio.Event()
    async with running_catalog(database_url) as catalog, catalog_tables(database_url) as tables:
        session = await catalog.session(await catalog.show())
        area = session["seat_areas"][0]["area_id"]
        event = seats_changed(SEATS_HELD, session["session_id"], {area: 2})
        await tables.execute(DUE_LETTER, event.id, msgspec.json.encode(event).decode())
        await tables.execute(OLD_KEY, uuid4(), "old", "3 days")
        await tables.execute(OLD_KEY, uuid4(), "young", "1 day")
        work = asyncio.create_task(workers.run(wiring, stop))
        left = "SELECT count(*) FROM idempotency_keys", "SELECT count(*) FROM dead_letters"
        while [await tables.fetchval(query) for query in left] != [1, 0]:
            assert not work.done()
        stop.set()
        await work
        path = f"/sessions/{session['session_id']}"
        own = await catalog.get(path, token=catalog.organizer)
        assert own.json["seat_areas"][0]["available"] == 8
        assert await tables.fetchval("SELECT key FROM idempotency_keys") == "young"
