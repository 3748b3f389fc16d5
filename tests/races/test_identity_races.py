"""Two at once: one account an address, one use a refresh token, one first key, ten guesses."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from identity.composition import SCHEMA
from identity.hashing import HashingPool
from identity.keys import make_first_key
from identity.password_store import PasswordStore
from identity.store import Store
from tests.support.identity import (
    EMAIL,
    PASSWORD,
    Answer,
    HeldHasher,
    Identity,
    identity_tables,
    running_identity,
)

HANG_S = 60.0  # nobody waits for so long unless something hangs
CLIENTS = 6  # below the pool's 8 connections, so that all of them get to the lock


@pytest.fixture
async def identity(database_url: str) -> AsyncIterator[Identity]:
    async with running_identity(database_url) as running:
        yield running


async def held_up(
    database_url: str,
    tables: "asyncpg.Connection[asyncpg.Record]",
    lock: str,
    calls: list[Callable[[], Awaitable[Answer]]],
) -> list[Answer]:
    """Runs all calls against a lock held by the test and lets them go once all wait for it."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with tables.transaction(), asyncio.timeout(HANG_S):
        await tables.execute(lock)
        tasks = [asyncio.ensure_future(call()) for call in calls]
        async with identity_tables(database_url) as watcher:
            while await watcher.fetchval(waiting) < len(calls):  # noqa: ASYNC110  it has no signal
                await asyncio.sleep(0.005)
    return list(await asyncio.gather(*tasks))


async def refresh_all_at_once(identity: Identity, database_url: str, token: str) -> list[Answer]:
    async with identity_tables(database_url) as tables:
        return await held_up(
            database_url,
            tables,
            "SELECT FROM logins FOR UPDATE",
            [lambda: identity.refresh(token) for _ in range(CLIENTS)],
        )


async def test_of_refreshes_at_once_one_wins_and_the_family_ends(
    identity: Identity, database_url: str
) -> None:
    made = await identity.register()
    answers = await refresh_all_at_once(identity, database_url, made["refresh_token"])
    assert Counter(answer.status for answer in answers) == {200: 1, 401: CLIENTS - 1}
    assert {a.code for a in answers if a.status == 401} == {"refresh-token-reused"}
    (winner,) = (answer.json for answer in answers if answer.status == 200)
    heir = await identity.refresh(winner["refresh_token"])
    assert (heir.status, heir.code) == (401, "refresh-token-reused")
    assert (await identity.get("me", token=winner["access_token"])).status == 401


async def test_control_without_the_compare_and_set_every_refresh_wins(
    identity: Identity, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation control of the test above: the race is real."""

    async def spend_without_looking(*_: object) -> bool:
        return True

    monkeypatch.setattr(Store, "spend_refresh_token", spend_without_looking)
    made = await identity.register()
    answers = await refresh_all_at_once(identity, database_url, made["refresh_token"])
    assert Counter(answer.status for answer in answers) == {200: CLIENTS}


async def test_a_refresh_that_races_a_logout_leaves_nothing_alive(
    identity: Identity, database_url: str
) -> None:
    made = await identity.register()
    token = made["access_token"]
    async with identity_tables(database_url) as tables:
        refreshed, ended = await held_up(
            database_url,
            tables,
            "SELECT FROM logins FOR UPDATE",
            [
                lambda: identity.refresh(made["refresh_token"]),
                lambda: identity.post("logout", token=token),
            ],
        )
    assert ended.status == 204
    assert refreshed.status in {200, 401}
    if refreshed.status == 200:
        heir = await identity.refresh(refreshed.json["refresh_token"])
        assert (heir.status, heir.code) == (401, "invalid-refresh-token")
        token = refreshed.json["access_token"]
    assert (await identity.get("me", token=token)).status == 401


async def use_a_link_in_two_processes(identity: Identity, database_url: str) -> list[int]:
    await identity.register()
    await identity.forget()
    async with identity_tables(database_url) as tables, running_identity(database_url) as other:
        token = await identity.link(tables)
        answers = await held_up(
            database_url,
            tables,
            "SELECT FROM accounts FOR UPDATE",  # reading the link goes on, setting the password waits
            [lambda: identity.reset(token), lambda: other.reset(token)],
        )
    return sorted(answer.status for answer in answers)


async def test_of_two_uses_of_a_mailed_link_one_wins(identity: Identity, database_url: str) -> None:
    assert await use_a_link_in_two_processes(identity, database_url) == [200, 410]


async def test_control_without_the_compare_and_set_a_link_is_used_twice(
    identity: Identity, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation control of the test above: the race is real."""

    async def use_without_looking(*_: object) -> bool:
        return True

    monkeypatch.setattr(PasswordStore, "use_link", use_without_looking)
    assert await use_a_link_in_two_processes(identity, database_url) == [200, 200]


def quick_hashing() -> HashingPool:
    """So that all are at the lock at once, however busy the machine is."""
    return HashingPool(threads=2, waiting_max=2 * CLIENTS, hasher=HeldHasher(), wait_max_s=HANG_S)


@pytest.mark.parametrize(
    "calls",
    [("change", "change"), ("change", "reset"), ("change", "reset", "change", "log in")],
    ids=str,
)
async def test_changes_resets_and_logins_at_once_wait_for_each_other_in_no_circle(
    database_url: str, calls: tuple[str, ...]
) -> None:
    """One password wins; a deadlock would be 503 for somebody."""
    async with (
        running_identity(database_url, passwords=quick_hashing()) as identity,
        running_identity(database_url, passwords=quick_hashing()) as other,
        identity_tables(database_url) as tables,
    ):
        made = await identity.register()
        await identity.log_in(EMAIL, "a failure to be forgotten")
        await identity.forget()
        link = await identity.link(tables)
        token = made["access_token"]
        ways = {
            "change": lambda: identity.change(token, PASSWORD, "the one that came first"),
            "reset": lambda: other.reset(link, "the one that came first"),
            "log in": other.log_in,
        }
        lock = "SELECT FROM accounts FOR UPDATE"
        answers = await held_up(database_url, tables, lock, [ways[call] for call in calls])
        statuses = [answer.status for answer in answers]
        changed = [
            s for call, s in zip(calls, statuses, strict=True) if call != "log in" and s < 300
        ]
        assert [status for status in statuses if status >= 500] == []
        assert len(changed) == 1
        alive = await tables.fetchval("SELECT count(*) FROM logins WHERE revoked_at IS NULL")
        assert alive == 1


async def test_of_two_registrations_of_one_address_one_is_made(database_url: str) -> None:
    bodies = [
        {"email": EMAIL, "password": PASSWORD, "full_name": f"Ann {n}"} for n in range(CLIENTS)
    ]
    async with (
        running_identity(database_url, passwords=quick_hashing()) as identity,
        identity_tables(database_url) as tables,
    ):
        answers = await held_up(
            database_url,
            tables,
            "LOCK TABLE accounts IN SHARE MODE",  # reading goes on, inserting waits
            [lambda body=body: identity.post("register", body) for body in bodies],
        )
        assert await tables.fetchval("SELECT count(*) FROM accounts") == 1
        assert await tables.fetchval("SELECT count(*) FROM logins") == 1
    assert Counter(answer.status for answer in answers) == {201: 1, 409: CLIENTS - 1}
    assert {a.code for a in answers if a.status == 409} == {"email-taken"}


async def test_of_registrations_with_one_key_one_is_made_and_the_others_learn_of_it(
    identity: Identity, database_url: str
) -> None:
    body = {"email": EMAIL, "password": PASSWORD, "full_name": "Ann"}
    answers = await asyncio.gather(
        *(
            identity.post("register", body, headers={"idempotency-key": "one"})
            for _ in range(CLIENTS)
        )
    )
    kinds = Counter((a.status, "idempotency-replayed" in a.headers) for a in answers)
    assert kinds[(201, False)] == 1
    refused = {a.code for a in answers if a.status != 201}
    assert refused <= {"idempotency-in-flight", "overloaded"}  # a busy machine hashes for few
    assert len({a.json["user_id"] for a in answers if a.status == 201}) == 1
    async with identity_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM accounts") == 1


async def test_processes_that_start_at_once_make_one_key(database_url: str) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(start_and_stop(database_url))
    async with identity_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM signing_keys") == 1


async def test_control_without_the_lock_each_start_makes_a_key_of_its_own(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation control of the test above: both look before either has written."""
    both_have_looked = asyncio.Barrier(2)
    list_keys = Store.list_keys

    async def look_together(self: Store, connection: object) -> object:
        found = await list_keys(self, connection)  # type: ignore[arg-type]
        await both_have_looked.wait()
        return found

    async def no_lock(*_: object) -> None:
        return None

    monkeypatch.setattr(Store, "list_keys", look_together)
    monkeypatch.setattr(Store, "lock_keys", no_lock)
    pools = [await asyncpg_pool(database_url) for _ in range(2)]
    try:
        await asyncio.gather(*(make_first_key(pool, Store()) for pool in pools))
        assert await pools[0].fetchval("SELECT count(*) FROM signing_keys") == 2
    finally:
        for pool in pools:
            await pool.close()


async def test_guesses_at_once_get_no_further_than_one_by_one(
    identity: Identity, database_url: str
) -> None:
    """The right one comes last and is too late."""
    await identity.register()
    guesses = [f"guess number {n}" for n in range(30)] + [PASSWORD]
    answers = await asyncio.gather(*(identity.log_in(EMAIL, guess) for guess in guesses))
    assert [answer.status for answer in answers] == [401] * 10 + [429] * 21
    assert (await identity.log_in()).status == 429


class AskedPool(HashingPool):
    """Says when a password is to be verified: it waits for a thread once the loop goes on."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.asked = asyncio.Event()

    async def verify(self, stored: str | None, password: str) -> bool:
        self.asked.set()
        return await super().verify(stored, password)


async def test_a_right_password_is_too_late_when_another_process_filled_up_the_limit(
    database_url: str,
) -> None:
    """It was let in by the count, and the count is full when its hash is done."""
    hasher = HeldHasher()
    passwords = AskedPool(threads=1, hasher=hasher, wait_max_s=HANG_S)
    async with (
        running_identity(database_url) as other,
        running_identity(database_url, passwords=passwords) as identity,
    ):
        await other.register()
        for _ in range(9):
            assert (await other.log_in(EMAIL, "a wrong guess")).status == 401
        hasher.go_on.clear()
        held = asyncio.ensure_future(passwords.hash("before it in the queue"))
        late = asyncio.ensure_future(identity.log_in())
        await passwords.asked.wait()  # it has asked the database
        assert (await other.log_in(EMAIL, "a wrong guess")).status == 401
        hasher.go_on.set()
        await held
        assert (await late).status == 429


async def start_and_stop(database_url: str) -> None:
    async with running_identity(database_url):
        return


async def asyncpg_pool(database_url: str) -> "asyncpg.Pool[asyncpg.Record]":
    return await asyncpg.create_pool(
        database_url, min_size=1, max_size=1, server_settings={"search_path": SCHEMA}
    )
