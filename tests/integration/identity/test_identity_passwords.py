"""Forgotten and changed passwords: whose link it is, how long, how often, and which logins end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from chassis.events.envelope import Event
from chassis.events.relay import Relay
from chassis.observability import logs
from chassis.problems import Unavailable
from contracts.identity import (
    PASSWORD_CHANGED,
    PASSWORD_LINKS_PATH,
    PASSWORD_RESET_ASKED,
    REVOKED_NAMED_MAX,
    PasswordChanged,
    PasswordResetAsked,
)
from identity import passwords
from identity.hashing import HashingPool
from identity.workers import prune
from tests.support.identity import (
    EMAIL,
    NEW_PASSWORD,
    PASSWORD,
    HeldHasher,
    Identity,
    identity_tables,
    running_identity,
)

REVOKED = "x-stampede-revoked-login"
Tables = asyncpg.Connection  # type: ignore[type-arg]


@pytest.fixture
async def identity(database_url: str) -> AsyncIterator[Identity]:
    async with running_identity(database_url) as running:
        yield running


@pytest.fixture
async def tables(database_url: str) -> "AsyncIterator[Tables]":
    async with identity_tables(database_url) as db:
        yield db


async def login_of(identity: Identity, token: str) -> str:
    return str((await identity.wiring.verifier.verify(token)).login_id)


async def told(tables: "Tables", type_: str) -> int:
    return int(await tables.fetchval("SELECT count(*) FROM outbox WHERE type = $1", type_))


# forgotten


async def test_a_mailed_link_sets_a_new_password_and_logs_in(
    identity: Identity, tables: "Tables"
) -> None:
    made = await identity.register()
    await identity.forget(" ANN@example.com")
    answer = await identity.reset(await identity.link(tables))
    assert answer.status == 200, answer
    assert answer.headers["cache-control"] == "no-store"
    login = answer.json
    assert login.keys() == {"user_id", "access_token", "refresh_token", "token_type", "expires_in"}
    assert login["user_id"] == made["user_id"]
    assert (await identity.get("me", token=login["access_token"])).status == 200
    assert (await identity.refresh(login["refresh_token"])).status == 200
    assert (await identity.log_in(EMAIL, PASSWORD)).status == 401
    assert (await identity.log_in(EMAIL, NEW_PASSWORD)).status == 200


async def test_every_other_login_ends_with_a_reset(identity: Identity, tables: "Tables") -> None:
    made, elsewhere = await identity.register(), (await identity.log_in()).json
    await identity.register("bob@example.com")
    await identity.forget()
    answer = await identity.reset(await identity.link(tables))
    ended = {await login_of(identity, one["access_token"]) for one in (made, elsewhere)}
    assert set(answer.headers[REVOKED].split(",")) == ended
    revoked = (await identity.get("/internal/revoked-logins")).json["logins"]
    assert {login["login_id"] for login in revoked} == ended
    for one in (made, elsewhere):
        assert (await identity.get("me", token=one["access_token"])).status == 401
        refused = await identity.refresh(one["refresh_token"])
        assert (refused.status, refused.code) == (401, "invalid-refresh-token")
    assert await tables.fetchval("SELECT count(*) FROM logins WHERE revoked_at IS NULL") == 2


async def test_a_link_works_once(identity: Identity, tables: "Tables") -> None:
    await identity.register()
    await identity.forget()
    token = await identity.link(tables)
    assert (await identity.reset(token)).status == 200
    again = await identity.reset(token, "six blue kettles under a table")
    assert (again.status, again.code) == (410, "link-expired")
    assert (await identity.log_in(EMAIL, NEW_PASSWORD)).status == 200


@pytest.mark.parametrize(
    "late",
    [
        "UPDATE password_resets SET ends_at = now()",
        "UPDATE accounts SET active = false",
        "DELETE FROM accounts",
    ],
    ids=["late", "closed", "deleted"],
)
async def test_a_link_that_came_too_late_changes_nothing(
    identity: Identity, tables: "Tables", late: str
) -> None:
    await identity.register()
    await identity.forget()
    token = await identity.link(tables)
    before = await tables.fetch("SELECT password_hash FROM accounts")
    lives = "SELECT extract(epoch FROM ends_at - now()) FROM password_resets"
    assert 1790 < await tables.fetchval(lives) <= 1800
    await tables.execute(late)
    answer = await identity.reset(token)
    assert (answer.status, answer.code) == (410, "link-expired")
    if "DELETE" not in late:
        assert await tables.fetch("SELECT password_hash FROM accounts") == before


async def test_a_newer_link_kills_the_older_one(identity: Identity, tables: "Tables") -> None:
    await identity.register()
    await identity.forget()
    older = await identity.link(tables)
    await identity.forget()
    dead = await identity.reset(older)
    assert (dead.status, dead.code) == (410, "link-expired")
    newer = await identity.link(tables)
    assert (await identity.reset(newer)).status == 200


async def test_a_link_whose_mail_is_written_again_is_a_new_one(
    identity: Identity, tables: "Tables"
) -> None:
    await identity.register()
    await identity.forget()
    first, second = await identity.link(tables), await identity.link(tables)
    assert (await identity.reset(first)).status == 410
    assert (await identity.reset(second)).status == 200


async def test_links_die_with_a_change_of_password(identity: Identity, tables: "Tables") -> None:
    made = await identity.register()
    await identity.forget()
    token = await identity.link(tables)
    assert (await identity.change(made["access_token"])).status == 204
    assert (await identity.reset(token)).status == 410


@pytest.mark.parametrize("age", ["31 minutes", "3 hours"])
async def test_no_link_is_made_for_who_asked_long_ago(
    identity: Identity, tables: "Tables", age: str
) -> None:
    """Its mail has waited for a mail server; nobody waits for it any more."""
    await identity.register()
    await identity.forget()
    await tables.execute(f"UPDATE password_resets SET asked_at = now() - interval '{age}'")
    reset_id = str(await tables.fetchval("SELECT reset_id FROM password_resets"))
    for wanted in (reset_id, str(uuid4())):
        answer = await identity.post(PASSWORD_LINKS_PATH, {"reset_id": wanted})
        assert (answer.status, answer.code) == (404, "not-found")


async def test_a_weak_password_is_refused_and_the_link_stays_good(
    identity: Identity, tables: "Tables"
) -> None:
    await identity.register()
    await identity.forget()
    token = await identity.link(tables)
    for weak in ("short", "password123", EMAIL, "x" * 257, "nul\u0000nul\u0000"):
        refused = await identity.reset(token, weak)
        assert (refused.status, refused.code) == (400, "validation-failed")
        assert [error["field"] for error in refused.json["errors"]] == ["password"]
    assert (await identity.reset(token)).status == 200


@pytest.mark.parametrize("token", ["x", "x" * 256, "令牌", "a\u0000b"])
async def test_what_is_no_link_is_late_and_costs_no_hash(database_url: str, token: str) -> None:
    hasher = HeldHasher()
    pool = HashingPool(threads=1, waiting_max=0, hasher=hasher)
    async with running_identity(database_url, passwords=pool) as identity:
        hasher.go_on.clear()
        held = asyncio.ensure_future(pool.hash("the only place"))
        await asyncio.sleep(0)
        answer = await identity.reset(token)
        assert (answer.status, answer.code) == (410, "link-expired")
        hasher.go_on.set()
        await held


async def test_links_are_hashed_at_rest_and_no_event_holds_one(
    identity: Identity, tables: "Tables"
) -> None:
    await identity.register()
    await identity.forget()
    token = await identity.link(tables)
    names = await tables.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'identity'"
    )
    for (name,) in names:
        text = await tables.fetchval(f"SELECT string_agg(t::text, '') FROM {name} t") or ""
        assert token not in text, name
        assert token.encode().hex() not in text, name
    event = await tables.fetchval("SELECT data::text || subject FROM outbox")
    assert EMAIL not in event


async def test_the_events_are_what_the_contract_promises(
    identity: Identity, tables: "Tables"
) -> None:
    made = await identity.register()
    await identity.post(
        "password/forgot", {"email": EMAIL}, headers={"x-request-id": "asked-for-a-link"}
    )
    await identity.reset(await identity.link(tables))
    published: list[Event] = []

    class Listening:
        async def publish(self, events: Any) -> None:
            published.extend(events)

    pool = identity.app.state.use_cases.pool
    relay = Relay(pool, Listening(), source="identity", log=logs.get("identity"))  # type: ignore[arg-type]
    assert await relay.round() == 2
    asked, changed = published
    assert (asked.type, changed.type) == (PASSWORD_RESET_ASKED, PASSWORD_CHANGED)
    assert (asked.requestid, asked.subject) == ("asked-for-a-link", made["user_id"])
    assert str(msgspec.json.decode(asked.data, type=PasswordResetAsked).user_id) == made["user_id"]
    assert msgspec.json.decode(changed.data, type=PasswordChanged).by_link is True


TOO_LATE = pytest.mark.parametrize(
    "late",
    ["UPDATE password_resets SET ends_at = now()", "UPDATE accounts SET active = false"],
    ids=["late", "closed"],
)


@TOO_LATE
async def test_a_link_that_came_too_late_costs_no_hash(
    database_url: str, tables: "Tables", late: str
) -> None:
    hasher = HeldHasher()
    pool = HashingPool(threads=1, waiting_max=0, hasher=hasher)
    async with running_identity(database_url, passwords=pool) as identity:
        await identity.register()
        await identity.forget()
        token = await identity.link(tables)
        await tables.execute(late)
        hasher.go_on.clear()
        held = asyncio.ensure_future(pool.hash("the only place"))
        await asyncio.sleep(0)
        answer = await identity.reset(token)
        assert (answer.status, answer.code) == (410, "link-expired")
        hasher.go_on.set()
        await held


class BusyPool(HashingPool):
    """Calls `meanwhile` once, after the next password has been hashed."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def hash(self, password: str) -> str:
        hashed = await super().hash(password)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return hashed


@TOO_LATE
async def test_a_link_that_ends_while_the_password_is_hashed_changes_nothing(
    database_url: str, tables: "Tables", late: str
) -> None:
    pool = BusyPool(threads=1)
    async with running_identity(database_url, passwords=pool) as identity:
        await identity.register()
        await identity.forget()
        token = await identity.link(tables)
        before = await tables.fetch("SELECT password_hash FROM accounts")
        pool.meanwhile = lambda: tables.execute(late)
        answer = await identity.reset(token)
        assert (answer.status, answer.code) == (410, "link-expired")
        assert await tables.fetch("SELECT password_hash FROM accounts") == before


# who asks


async def test_known_unknown_and_closed_accounts_are_answered_alike(
    identity: Identity, tables: "Tables"
) -> None:
    await identity.register()
    await identity.register("off@example.com")
    await tables.execute("UPDATE accounts SET active = false WHERE email = 'off@example.com'")
    answers = [
        await identity.post("password/forgot", {"email": email})
        for email in (EMAIL, "nobody@example.com", "off@example.com")
    ]
    for answer in answers:
        assert (answer.status, answer.headers, answer.body) == (
            202,
            answers[0].headers,
            b'{"expires_in":1800}',
        )
    assert await told(tables, PASSWORD_RESET_ASKED) == 1
    # the same work as well: one statement that writes, whoever asks
    assert await tables.fetchval("SELECT count(*) FROM password_mails") == 3


async def test_no_mailbox_is_flooded_and_the_answer_stays_the_same(
    identity: Identity, tables: "Tables"
) -> None:
    await identity.register()
    await identity.register("bob@example.com")
    for _ in range(10):
        await identity.forget()
    assert await told(tables, PASSWORD_RESET_ASKED) == 3
    await identity.forget("bob@example.com")
    assert await told(tables, PASSWORD_RESET_ASKED) == 4
    await tables.execute("UPDATE password_mails SET settled_at = settled_at - interval '20 min'")
    for _ in range(5):
        await identity.forget()
    assert await told(tables, PASSWORD_RESET_ASKED) == 5  # one every twenty minutes then


async def test_mails_withheld_leave_the_last_link_good(
    identity: Identity, tables: "Tables"
) -> None:
    await identity.register()
    for _ in range(3):
        await identity.forget()
    token = await identity.link(tables)
    await identity.forget()
    assert (await identity.reset(token)).status == 200


@pytest.mark.parametrize("email", ["ann", "", "a@b", 5, None])
async def test_what_is_no_address_is_refused(identity: Identity, email: object) -> None:
    answer = await identity.post("password/forgot", {"email": email})
    assert (answer.status, answer.code) == (400, "validation-failed")


async def test_a_reset_ends_the_wait_that_others_failures_made(
    identity: Identity, tables: "Tables"
) -> None:
    await identity.register()
    for _ in range(10):
        await identity.log_in(EMAIL, "guess")
    assert (await identity.log_in()).status == 429
    await identity.forget()
    assert (await identity.reset(await identity.link(tables))).status == 200
    assert (await identity.log_in(EMAIL, NEW_PASSWORD)).status == 200


# changed


async def test_a_change_ends_every_login_but_the_one_that_made_it(
    identity: Identity, tables: "Tables"
) -> None:
    made, elsewhere = await identity.register(), (await identity.log_in()).json
    other = await login_of(identity, elsewhere["access_token"])
    answer = await identity.change(made["access_token"])
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers[REVOKED] == other
    assert (await identity.get("me", token=made["access_token"])).status == 200
    assert (await identity.refresh(made["refresh_token"])).status == 200
    assert (await identity.get("me", token=elsewhere["access_token"])).status == 401
    assert (await identity.refresh(elsewhere["refresh_token"])).status == 401
    assert (await identity.log_in(EMAIL, PASSWORD)).status == 401
    assert (await identity.log_in(EMAIL, NEW_PASSWORD)).status == 200
    assert await told(tables, PASSWORD_CHANGED) == 1


async def test_a_wrong_current_password_counts_as_a_failed_login(identity: Identity) -> None:
    made = await identity.register()
    for _ in range(10):
        refused = await identity.change(made["access_token"], "guess")
        assert (refused.status, refused.code) == (401, "invalid-credentials")
    limited = await identity.change(made["access_token"])
    assert (limited.status, limited.code) == (429, "rate-limited")
    assert (await identity.log_in()).status == 429
    assert (await identity.get("me", token=made["access_token"])).status == 200


async def test_a_change_follows_the_rules_of_registration_and_costs_no_try(
    identity: Identity, tables: "Tables"
) -> None:
    made = await identity.register()
    for weak in ("short", "password123", EMAIL, "x" * 257):
        refused = await identity.change(made["access_token"], "guess", weak)
        assert (refused.status, refused.code) == (400, "validation-failed")
        assert [error["field"] for error in refused.json["errors"]] == ["password"]
    assert await tables.fetchval("SELECT count(*) FROM login_failures") == 0


async def test_a_change_needs_a_login_that_goes_on(identity: Identity) -> None:
    nobody = await identity.change("")
    assert (nobody.status, nobody.code) == (401, "unauthenticated")
    made = await identity.register()
    await identity.post("logout", token=made["access_token"])
    ended = await identity.change(made["access_token"])
    assert (ended.status, ended.code) == (401, "invalid-token")
    assert (await identity.log_in()).status == 200


async def test_more_logins_than_a_header_names_are_said_to_be_all(
    identity: Identity, tables: "Tables"
) -> None:
    made = await identity.register()
    await tables.execute(
        """WITH more AS (
               INSERT INTO logins (login_id, user_id, expires_at)
               SELECT gen_random_uuid(), user_id, now() + interval '1 day'
               FROM accounts, generate_series(1, $1)
               RETURNING login_id)
           INSERT INTO refresh_tokens (token_hash, login_id, expires_at)
           SELECT sha256(login_id::text::bytea), login_id, now() + interval '1 day' FROM more""",
        REVOKED_NAMED_MAX + 1,
    )
    answer = await identity.change(made["access_token"])
    assert (answer.status, answer.headers[REVOKED]) == (204, "*")
    revoked = (await identity.get("/internal/revoked-logins")).json["logins"]
    assert len(revoked) == REVOKED_NAMED_MAX + 1


async def test_logins_without_a_living_access_token_need_no_naming(
    identity: Identity, tables: "Tables"
) -> None:
    made, elsewhere = await identity.register(), (await identity.log_in()).json
    await tables.execute("UPDATE refresh_tokens SET issued_at = now() - interval '1 hour'")
    answer = await identity.change(made["access_token"])
    assert REVOKED not in answer.headers
    assert (await identity.refresh(elsewhere["refresh_token"])).status == 401


# two at once


async def test_of_two_uses_of_a_link_one_wins(identity: Identity, tables: "Tables") -> None:
    await identity.register()
    await identity.forget()
    token = await identity.link(tables)
    answers = await asyncio.gather(
        *(identity.reset(token, f"{NEW_PASSWORD} {n}") for n in range(5))
    )
    assert sorted(answer.status for answer in answers) == [200] + [410] * 4
    won = next(number for number, answer in enumerate(answers) if answer.status == 200)
    assert (await identity.log_in(EMAIL, f"{NEW_PASSWORD} {won}")).status == 200


class WaitingPool(HashingPool):
    """Calls `meanwhile` once, after the next hash has been verified."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def verify(self, stored: str | None, password: str) -> bool:
        right = await super().verify(stored, password)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return right


@pytest.fixture
async def waiting(database_url: str) -> "AsyncIterator[tuple[Identity, WaitingPool]]":
    pool = WaitingPool(threads=2)
    async with running_identity(database_url, passwords=pool) as running:
        yield running, pool


async def test_a_login_with_the_old_password_under_way_does_not_outlive_the_change(
    waiting: tuple[Identity, WaitingPool], tables: "Tables"
) -> None:
    identity, pool = waiting
    await identity.register()
    await identity.forget()
    token = await identity.link(tables)
    pool.meanwhile = lambda: identity.reset(token)
    late = await identity.log_in(EMAIL, PASSWORD)
    assert (late.status, late.code) == (401, "invalid-credentials")
    assert await tables.fetchval("SELECT count(*) FROM logins WHERE revoked_at IS NULL") == 1


async def test_of_two_changes_at_once_one_wins(
    waiting: tuple[Identity, WaitingPool], tables: "Tables"
) -> None:
    identity, pool = waiting
    made = await identity.register()
    await identity.forget()
    token = await identity.link(tables)
    pool.meanwhile = lambda: identity.reset(token)
    late = await identity.change(made["access_token"], PASSWORD, "seven kettles in a row")
    assert (late.status, late.code) == (401, "invalid-credentials")
    assert (await identity.log_in(EMAIL, NEW_PASSWORD)).status == 200


# what is left


async def test_no_secret_of_a_password_reaches_the_log(
    identity: Identity, tables: "Tables", tmp_path: Path
) -> None:
    made = await identity.register()
    logs.configure(tmp_path, log_format="text", console=False)
    try:
        await identity.forget()
        await identity.forget("nobody@example.com")
        token = await identity.link(tables)
        await identity.reset("no such token")
        await identity.reset(token, "short")
        login = await identity.reset(token)
        cookie = login.headers["set-cookie"].split(";")[0].partition("=")[2]
        await identity.change(login.json["access_token"], "guess", "six blue kettles")
        await identity.change(login.json["access_token"], NEW_PASSWORD, "six blue kettles")
        logs.flush()
    finally:
        logs.configure(None, log_format="text", console=False)
    text = (tmp_path / "identity.log").read_text()
    events = [line.split("] ", 1)[1].split(" ")[0] for line in text.splitlines()]
    assert events == [
        "password_link_asked",
        "password_link_refused",
        "password_link_made",
        "password_reset",
        "login_refused",
        "password_changed",
    ]
    assert f"password_reset user={made['user_id']}" in text
    secrets = (EMAIL, "nobody", PASSWORD, NEW_PASSWORD, "six blue", "guess", "short", token, cookie)
    assert [secret for secret in secrets if secret in text] == []


async def test_links_and_counts_that_have_run_out_are_forgotten(
    identity: Identity, tables: "Tables"
) -> None:
    await identity.register()
    await identity.forget()
    use_cases = identity.app.state.use_cases
    assert await prune(use_cases.pool, use_cases.store) == 0
    await tables.execute("UPDATE password_mails SET settled_at = now() - interval '1 s'")
    await tables.execute("UPDATE password_resets SET asked_at = now() - interval '25 hours'")
    assert await prune(use_cases.pool, use_cases.store) == 2


async def test_without_the_database_nobody_is_told_that_a_mail_is_under_way(
    identity: Identity,
) -> None:
    await identity.app.state.use_cases.pool.close()
    answer = await identity.post("password/forgot", {"email": EMAIL})
    assert (answer.status, answer.code) == (503, Unavailable.code)


def test_a_link_lives_for_the_half_hour_that_its_mail_names() -> None:
    assert passwords.LINK_TTL_S == 30 * 60
