"""The demo loads once, completes what was cut off, and has what a newcomer is shown."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from chassis.seam.client import ServiceClient
from chassis.settings import Settings
from runtime.compose import Platform, compose
from runtime.demo import load_demo
from runtime.demo.loading import ACCOUNTS, accounts_left
from runtime.demo.shows import SHOWS
from tests.support.asgi import in_a_task_of_its_own
from tests.support.booking import booking_tables
from tests.support.catalog import catalog_tables
from tests.support.identity import identity_tables


@pytest.fixture
async def platform(database_url: str, redis_url: str) -> AsyncIterator[Platform]:
    """Identity and catalog, in this process."""
    settings = Settings(database_url=database_url, redis_url=redis_url)
    composed = compose(settings, ("identity", "catalog"))
    async with in_a_task_of_its_own(composed.running):
        yield composed


async def shows(platform: Platform, query: str = "") -> Any:
    catalog = ServiceClient(platform.wiring.upstreams.catalog)
    answer = await catalog.request("GET", f"/api/v1/shows?page_size=100{query}")
    return msgspec.json.decode(answer)


async def counts(database_url: str) -> dict[str, int]:
    tables = ("venues", "shows", "sessions", "areas")
    async with catalog_tables(database_url) as db:
        return {name: await db.fetchval(f"SELECT count(*) FROM {name}") for name in tables}


async def test_the_demo_loads_once(platform: Platform, database_url: str) -> None:
    assert await load_demo(platform) == ACCOUNTS
    loaded = await counts(database_url)
    assert loaded["shows"] == len(SHOWS)
    assert loaded["sessions"] == sum(len(show.runs) for show in SHOWS)
    assert await load_demo(platform) == ACCOUNTS
    assert await counts(database_url) == loaded
    assert (await shows(platform))["total"] == len(SHOWS)
    async with booking_tables(database_url) as tables:  # its staff stands at every door
        assert await tables.fetchval("SELECT count(*) FROM house_staff") == 1


async def test_a_newcomer_finds_the_scenario(platform: Platform, database_url: str) -> None:
    await load_demo(platform)
    query = f"&city={quote('上海')}&category={quote('演唱会')}&q={quote('周杰伦')}"
    (show,) = (await shows(platform, query))["shows"]
    assert (show["title"], show["venue"]) == ("周杰伦 2026 世界巡回演唱会", "上海体育场")
    assert show["on_sale"] is True
    catalog = ServiceClient(platform.wiring.upstreams.catalog)
    answer = await catalog.request("GET", f"/api/v1/shows/{show['show_id']}")
    sessions = msgspec.json.decode(answer)["sessions"]
    assert [session["status"] for session in sessions] == ["on_sale", *["scheduled"] * 3]
    areas = {area["name"]: area for area in sessions[0]["seat_areas"]}
    assert (areas["VIP A区"]["price"], areas["VIP A区"]["currency"]) == (128_000, "CNY")
    assert areas["内场站席"]["kind"] == "standing"
    assert sum(name.startswith("看台") for name in areas) >= 10
    seated = [area["capacity"] for area in areas.values() if area["kind"] == "seated"]
    assert sum(seated) >= 20_000
    async with catalog_tables(database_url) as tables:
        found = await tables.fetch("SELECT DISTINCT sale_status FROM session_states")
    assert {row["sale_status"] for row in found} == {"on_sale", "scheduled", "closed"}
    everything = (await shows(platform))["shows"]
    assert len({one["city"] for one in everything}) >= 6
    assert len({one["category"] for one in everything}) >= 7


async def test_a_demo_that_was_cut_off_is_completed(platform: Platform, database_url: str) -> None:
    await load_demo(platform)
    whole = await counts(database_url)
    async with catalog_tables(database_url) as tables:
        # as if the process had died before publishing this session and making what follows
        for trigger, table in (("sessions", "sessions"), ("areas", "areas")):
            await tables.execute(
                f"ALTER TABLE {table} DISABLE TRIGGER {trigger}_frozen_once_published"
            )
        kept = len(SHOWS) // 2
        last = [show.title for show in SHOWS[kept:]]
        gone = "SELECT session_id FROM sessions JOIN shows USING (show_id) WHERE title = ANY($1)"
        await tables.execute(f"DELETE FROM areas WHERE session_id IN ({gone})", last)
        await tables.execute(f"DELETE FROM sessions WHERE session_id IN ({gone})", last)
        await tables.execute("DELETE FROM shows WHERE title = ANY($1)", last[1:])
        await tables.execute(
            "UPDATE sessions SET status = 'draft', published_at = NULL WHERE session_id ="
            " (SELECT max(session_id::text)::uuid FROM sessions)"
        )
    await load_demo(platform)
    assert await counts(database_url) == whole
    async with catalog_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM sessions WHERE status = 'draft'") == 0


async def test_the_demos_accounts_log_in_with_their_roles(
    platform: Platform, database_url: str
) -> None:
    await load_demo(platform)
    identity = ServiceClient(platform.wiring.upstreams.identity)
    for account in ACCOUNTS.accounts:
        body = {"email": account.email, "password": account.password}
        login = await identity.post("/api/v1/auth/login", body, dict[str, Any])
        bearer = f"Bearer {login['access_token']}".encode()
        profile = await identity.request(
            "GET", "/api/v1/auth/me", headers=[(b"authorization", bearer)]
        )
        assert account.role in msgspec.json.decode(profile)["roles"]


async def test_accounts_that_a_demo_left_are_found_as_long_as_their_passwords_are_the_demos(
    platform: Platform, database_url: str
) -> None:
    assert await accounts_left(database_url) == []
    await load_demo(platform)
    assert await accounts_left(database_url) == [one.email for one in ACCOUNTS.accounts]
    admin = ACCOUNTS.of("admin").email
    async with identity_tables(database_url) as tables:
        await tables.execute("UPDATE accounts SET active = false WHERE email <> $1", admin)
    assert await accounts_left(database_url) == [admin]
    async with identity_tables(database_url) as tables:
        await tables.execute("UPDATE accounts SET password_hash = '!'")
    assert await accounts_left(database_url) == []
