"""A shadow is a copy that nobody finds, and that goes without a trace."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import asyncpg
import pytest

from catalog.rehearsals import store
from chassis.postgres.pool import Pool, open_pool
from chassis.problems import NotFound
from contracts.rehearsals import MARK_TEXT, is_rehearsal, rehearsal_id
from tests.support.catalog import Catalog, catalog_tables, running_catalog

TABLES = ("venues", "shows", "sessions", "areas")
TITLE = "周杰伦 巡回演唱会"
COPIED = (
    "SELECT a.place, a.name, a.kind, a.price, a.capacity, a.first_seat_id, a.last_seat_id, a.plan::text,"
    " s.currency, s.max_tickets_per_user, s.starts_at, s.local_date, s.sale_closes_at - s.sale_opens_at,"
    " s.status, sh.title, sh.refundable, sh.refund_until_hours, sh.refund_fee_kind, sh.refund_fee,"
    " sh.refund_approval, v.name, v.city, v.time_zone"
    " FROM areas a JOIN sessions s USING (session_id) JOIN shows sh USING (show_id)"
    " JOIN venues v USING (venue_id) WHERE s.session_id = $1 ORDER BY a.place"
)


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_url, "catalog", size=2)
    yield opened
    await opened.close()


@pytest.fixture
async def real(catalog: Catalog) -> UUID:
    show_id = await catalog.show(title=TITLE)
    return UUID((await catalog.session(show_id))["session_id"])


async def shadow_of(pool: Pool, real: UUID, **changes: Any) -> store.Shadow:
    wanted: dict[str, Any] = {"opens_in_s": 60.0, "blocked": [], "manifest": "{}"}
    return await store.make_shadow(pool, real, **wanted | changes)


async def all_rows(database_url: str) -> dict[str, list[str]]:
    async with catalog_tables(database_url) as tables:
        return {
            name: sorted(row[0] for row in await tables.fetch(f"SELECT t::text FROM {name} t"))
            for name in TABLES
        }


async def test_a_shadow_has_everything_that_the_session_sells_by(
    database_url: str, pool: Pool, real: UUID
) -> None:
    shadow = await shadow_of(pool, real, blocked=[1, 2])
    async with catalog_tables(database_url) as tables:
        original = await tables.fetch(COPIED, real)
        copied = await tables.fetch(COPIED, shadow.session_id)
        taken = await tables.fetchval(
            "SELECT sum(taken) FROM areas WHERE session_id = $1", shadow.session_id
        )
    assert copied == original
    assert original
    assert taken == 2
    assert shadow.seats == sum(row["capacity"] for row in original) - 2
    ids = [shadow.session_id, shadow.show_id, *(area.area_id for area in shadow.areas)]
    assert all(map(is_rehearsal, ids))


async def test_a_shadow_is_in_no_list_and_its_own_address_answers(
    catalog: Catalog, pool: Pool, real: UUID
) -> None:
    shadow = await shadow_of(pool, real)
    admin = catalog.signer.token("admin")
    for one in ("/shows", f"/shows?q={quote('周杰伦')}", "/venues"):
        for token in ("", catalog.organizer, admin):
            found = await catalog.get(one, token=token)
            if found.status == 200:
                assert found.json["total"] == 1, found  # the real one
                assert MARK_TEXT.encode() not in found.body
    assert (await catalog.get(f"/sessions/{shadow.session_id}")).status == 200
    assert (await catalog.get(f"/shows/{shadow.show_id}")).status == 200


async def test_making_and_removing_a_shadow_leaves_every_row_as_it_was(
    database_url: str, pool: Pool, real: UUID
) -> None:
    before = await all_rows(database_url)
    await shadow_of(pool, real)
    during = await all_rows(database_url)
    assert all(set(before[name]) < set(during[name]) for name in TABLES)
    (found,) = await store.list_shadows(pool)
    await store.remove_shadow(pool, found)
    assert await all_rows(database_url) == before


async def test_what_is_no_shadow_cannot_be_removed(
    database_url: str, pool: Pool, real: UUID
) -> None:
    before = await all_rows(database_url)
    async with catalog_tables(database_url) as tables:
        row = await tables.fetchrow(
            "SELECT session_id, show_id, venue_id, description AS manifest, sh.created_at"
            " FROM sessions s JOIN shows sh USING (show_id) WHERE session_id = $1",
            real,
        )
        assert row is not None
        await store.remove_shadow(pool, store.FoundShadow(**dict(row)))
        assert await all_rows(database_url) == before
        with pytest.raises(asyncpg.CheckViolationError):
            await tables.execute("DELETE FROM areas WHERE session_id = $1", real)


async def test_only_a_shadow_that_is_whole_is_made(database_url: str, pool: Pool) -> None:
    before = await all_rows(database_url)
    with pytest.raises(NotFound):
        await shadow_of(pool, uuid4())
    assert await all_rows(database_url) == before


async def test_the_mark_in_sql_is_that_of_the_contract(database_url: str) -> None:
    async with catalog_tables(database_url) as tables:
        marked = "SELECT is_rehearsal($1)"
        assert await tables.fetchval(marked, rehearsal_id())
        assert not await tables.fetchval(marked, uuid4())
