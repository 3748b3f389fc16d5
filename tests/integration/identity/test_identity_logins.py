"""Logging in, staying logged in, logging out."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters

from identity.attempts import TRIES_AT_ONCE_MAX
from identity.hashing import HashingPool
from identity.store import FailureLimit
from identity.tokens import hash_of
from tests.support.identity import (
    EMAIL,
    PASSWORD,
    HeldHasher,
    Identity,
    identity_tables,
    running_identity,
)

WRONG = "four green kettles on a shelf"


@pytest.fixture
async def identity(database_url: str) -> AsyncIterator[Identity]:
    async with running_identity(database_url) as running:
        yield running


async def test_logging_in_gives_a_pair_of_its_own(identity: Identity) -> None:
    made = await identity.register()
    answer = await identity.log_in(" ANN@example.COM ")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    login = answer.json
    assert login.keys() == {"user_id", "access_token", "refresh_token", "token_type", "expires_in"}
    assert login["user_id"] == made["user_id"]
    one = await identity.wiring.verifier.verify(made["access_token"])
    two = await identity.wiring.verifier.verify(login["access_token"])
    assert one.login_id != two.login_id
    assert two.roles == {"customer"}


async def test_known_and_unknown_accounts_are_refused_alike(
    identity: Identity, database_url: str
) -> None:
    await identity.register()
    await identity.register("off@example.com")
    async with identity_tables(database_url) as tables:
        await tables.execute("UPDATE accounts SET active = false WHERE email = 'off@example.com'")
    known = await identity.log_in(EMAIL, WRONG)
    unknown = await identity.log_in("nobody@example.com", WRONG)
    disabled = await identity.log_in("off@example.com", PASSWORD)
    assert (known.status, known.code) == (401, "invalid-credentials")
    for other in (unknown, disabled):
        assert (other.status, other.headers) == (known.status, known.headers)
        assert other.json | {"request_id": ""} == known.json | {"request_id": ""}


class RecordingHasher(PasswordHasher):
    """Remembers with which parameters each verification worked: they say how long it takes."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8 * 1024, parallelism=1)
        self.worked: list[Any] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Any:
        self.worked.append(extract_parameters(str(hash)))
        return super().verify(hash, password)


async def test_unknown_accounts_take_as_long_as_known_ones(database_url: str) -> None:
    """The dummy hash: without it an unknown account answers some 25 ms sooner."""
    hasher = RecordingHasher()
    async with running_identity(
        database_url, passwords=HashingPool(threads=1, hasher=hasher)
    ) as identity:
        await identity.register()
        for email in (EMAIL, "nobody@example.com"):
            assert (await identity.log_in(email, WRONG)).status == 401
    known, unknown = hasher.worked
    assert known == unknown


@pytest.mark.parametrize(
    "body",
    [
        {"email": "no address", "password": WRONG},
        {"email": EMAIL, "password": ""},
        {"email": EMAIL, "password": "x" * 257},
        {"email": EMAIL, "password": 5},
        {"email": EMAIL},
        {"email": EMAIL, "password": WRONG, "roles": ["admin"]},
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_bad_login_bodies_are_refused(identity: Identity, body: object) -> None:
    answer = await identity.post("login", body)
    assert (answer.status, answer.code) == (400, "validation-failed")
    assert answer.json["errors"]


async def test_a_login_renews_a_hash_made_with_older_parameters(
    identity: Identity, database_url: str
) -> None:
    await identity.register()
    older = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    async with identity_tables(database_url) as tables:
        await tables.execute("UPDATE accounts SET password_hash = $1", older)
        assert (await identity.log_in(EMAIL, WRONG)).status == 401
        assert await tables.fetchval("SELECT password_hash FROM accounts") == older
        assert (await identity.log_in()).status == 200
        renewed = await tables.fetchval("SELECT password_hash FROM accounts")
    assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await identity.log_in()).status == 200


class SignallingPool(HashingPool):
    """Says when three hashes are under way or waiting."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.full = asyncio.Event()
        self._arrivals = 0

    async def hash(self, password: str) -> str:
        self._arrivals += 1
        if self._arrivals == 3:
            self.full.set()  # whoever waits for it runs after this one has its place
        return await super().hash(password)


async def test_beyond_the_hashing_queue_logins_are_refused_at_once(database_url: str) -> None:
    hasher = HeldHasher()
    passwords = SignallingPool(threads=1, waiting_max=2, hasher=hasher, wait_max_s=60.0)
    async with running_identity(database_url, passwords=passwords) as identity:
        hasher.go_on.clear()
        bodies = [
            {"email": f"queued{n}@example.com", "password": PASSWORD, "full_name": "Q"}
            for n in range(3)
        ]
        waiting = [asyncio.ensure_future(identity.post("register", body)) for body in bodies]
        await passwords.full.wait()
        refused = await identity.log_in()
        assert not any(one.done() for one in waiting), "nobody was waited for"
        assert (refused.status, refused.code) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        hasher.go_on.set()
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [201, 201, 201]


# failed logins


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"], ids=["known", "unknown"])
async def test_the_eleventh_wrong_password_in_a_row_must_wait(
    identity: Identity, email: str
) -> None:
    await identity.register()
    statuses = [(await identity.log_in(email, WRONG)).status for _ in range(10)]
    assert statuses == [401] * 10
    limited = await identity.log_in(email, PASSWORD)
    assert (limited.status, limited.code) == (429, "rate-limited")
    assert 1 <= int(limited.headers["retry-after"]) <= 90


async def test_an_owner_waits_for_one_spacing_at_most_and_success_forgets(
    identity: Identity, database_url: str
) -> None:
    made = await identity.register()
    for _ in range(10):
        await identity.log_in(EMAIL, WRONG)
    assert (await identity.log_in()).status == 429
    assert (await identity.refresh(made["refresh_token"])).status == 200  # undisturbed
    async with identity_tables(database_url) as tables:
        await tables.execute("UPDATE login_failures SET settled_at = settled_at - interval '90 s'")
        assert (await identity.log_in()).status == 200
        assert await tables.fetchval("SELECT count(*) FROM login_failures") == 0
    assert (await identity.log_in(EMAIL, WRONG)).status == 401


async def test_many_logins_of_one_account_at_once_all_succeed(identity: Identity) -> None:
    await identity.register()
    answers = await asyncio.gather(*(identity.log_in() for _ in range(20)))
    assert [answer.status for answer in answers] == [200] * 20


async def test_a_flood_on_one_account_leaves_room_for_others(identity: Identity) -> None:
    await identity.register("bob@example.com")
    flood = [asyncio.ensure_future(identity.log_in(EMAIL, WRONG)) for _ in range(200)]
    assert (await identity.log_in("bob@example.com")).status == 200
    statuses = Counter(answer.status for answer in await asyncio.gather(*flood))
    assert statuses == {401: 10, 429: TRIES_AT_ONCE_MAX - 10, 503: 200 - TRIES_AT_ONCE_MAX}


async def test_failing_without_end_makes_the_owner_wait_no_longer(
    identity: Identity, database_url: str
) -> None:
    """Also when several processes counted more failures than the limit at the same time."""
    await identity.register()
    store, limit = identity.app.state.use_cases.store, FailureLimit(10, 900.0)
    async with identity_tables(database_url) as tables:
        for _ in range(50):
            await store.count_failure(tables, hash_of(EMAIL), limit)
    limited = await identity.log_in()
    assert limited.status == 429
    assert int(limited.headers["retry-after"]) <= 90


async def test_a_limited_login_is_not_hashed(database_url: str) -> None:
    hasher = HeldHasher()
    passwords = HashingPool(threads=1, waiting_max=0, hasher=hasher)
    async with running_identity(database_url, passwords=passwords) as identity:
        for _ in range(10):
            assert (await identity.log_in(EMAIL, WRONG)).status == 401
        hasher.go_on.clear()
        held = asyncio.ensure_future(passwords.hash("the only place"))
        await asyncio.sleep(0)
        assert (await identity.log_in("bob@example.com", WRONG)).status == 503
        assert (await identity.log_in(EMAIL, WRONG)).status == 429
        hasher.go_on.set()
        await held


# refreshing


async def test_refreshing_gives_a_new_pair_of_the_same_login(identity: Identity) -> None:
    made = await identity.register()
    token = made["refresh_token"]
    for _ in range(3):
        answer = await identity.refresh(token)
        assert answer.status == 200, answer
        assert answer.json["refresh_token"] != token
        assert answer.json["user_id"] == made["user_id"]
        token = answer.json["refresh_token"]
        first = await identity.wiring.verifier.verify(made["access_token"])
        now = await identity.wiring.verifier.verify(answer.json["access_token"])
        assert now.login_id == first.login_id
        assert (await identity.get("me", token=answer.json["access_token"])).status == 200


async def test_a_refresh_token_used_twice_ends_its_whole_family(identity: Identity) -> None:
    made = await identity.register()
    elsewhere = (await identity.log_in()).json
    next_pair = (await identity.refresh(made["refresh_token"])).json
    login_id = (await identity.wiring.verifier.verify(made["access_token"])).login_id
    reused = await identity.refresh(made["refresh_token"])
    assert (reused.status, reused.code) == (401, "refresh-token-reused")
    assert reused.headers["x-stampede-revoked-login"] == str(login_id)
    heir = await identity.refresh(next_pair["refresh_token"])
    assert (heir.status, heir.code) == (401, "refresh-token-reused")
    assert (await identity.get("me", token=next_pair["access_token"])).status == 401
    revoked = (await identity.get("/internal/revoked-logins")).json["logins"]
    assert [login["login_id"] for login in revoked] == [str(login_id)]
    assert (await identity.refresh(elsewhere["refresh_token"])).status == 200


@pytest.mark.parametrize(
    "changed",
    [
        "UPDATE refresh_tokens SET expires_at = now()",
        "UPDATE logins SET expires_at = now()",
        "UPDATE accounts SET active = false",
        "DELETE FROM refresh_tokens",
        "DELETE FROM logins",
    ],
    ids=["idle", "absolute end", "disabled", "unknown", "pruned"],
)
async def test_refresh_tokens_past_their_time_are_refused_and_revoke_nothing(
    identity: Identity, database_url: str, changed: str
) -> None:
    made = await identity.register()
    async with identity_tables(database_url) as tables:
        await tables.execute(changed)
    answer = await identity.refresh(made["refresh_token"])
    assert (answer.status, answer.code) == (401, "invalid-refresh-token")
    assert "x-stampede-revoked-login" not in answer.headers
    assert (await identity.get("/internal/revoked-logins")).json == {"logins": []}


async def test_a_family_ends_after_30_days_however_often_it_is_refreshed(
    identity: Identity, database_url: str
) -> None:
    made = await identity.register()
    async with identity_tables(database_url) as tables:
        age = "SELECT extract(epoch FROM expires_at - created_at) FROM logins"
        assert float(await tables.fetchval(age)) == 30 * 86_400
        await tables.execute("UPDATE logins SET expires_at = now() + interval '1 hour'")
        end = await tables.fetchval("SELECT expires_at FROM logins")
        answer = await identity.refresh(made["refresh_token"])
        assert answer.status == 200
        assert await tables.fetchval("SELECT expires_at FROM logins") == end
        idle = "SELECT expires_at FROM refresh_tokens WHERE token_hash = $1"
        heir = hash_of(answer.json["refresh_token"])
        assert await tables.fetchval(idle, heir) == end
        first = await tables.fetchval(
            "SELECT extract(epoch FROM expires_at - issued_at) FROM refresh_tokens"
            " WHERE used_at IS NOT NULL"
        )
    assert float(first) == 14 * 86_400


async def test_refresh_tokens_are_hashed_at_rest(identity: Identity, database_url: str) -> None:
    made = await identity.register()
    async with identity_tables(database_url) as tables:
        rows = await tables.fetch("SELECT * FROM refresh_tokens")
        text = await tables.fetchval("SELECT string_agg(t::text, '') FROM refresh_tokens t")
    assert [row["token_hash"] for row in rows] == [hash_of(made["refresh_token"])]
    assert made["refresh_token"] not in text
    assert made["refresh_token"].encode().hex() not in text


@pytest.mark.parametrize("token", ["x", "x" * 256, "令牌", "a\u0000b"])
async def test_strange_refresh_tokens_are_unknown(identity: Identity, token: str) -> None:
    answer = await identity.refresh(token)
    assert (answer.status, answer.code) == (401, "invalid-refresh-token")


@pytest.mark.parametrize("token", ["", "x" * 257, 5, None])
async def test_what_is_no_refresh_token_is_refused(identity: Identity, token: object) -> None:
    answer = await identity.post("refresh", {"refresh_token": token})
    assert (answer.status, answer.code) == (400, "validation-failed")


async def test_roles_given_meanwhile_are_in_the_next_token(
    identity: Identity, database_url: str
) -> None:
    made = await identity.register()
    async with identity_tables(database_url) as tables:
        await tables.execute("UPDATE accounts SET roles = '{customer,staff}'")
    token = (await identity.refresh(made["refresh_token"])).json["access_token"]
    assert (await identity.wiring.verifier.verify(token)).roles == {"customer", "staff"}


# logging out


async def test_logging_out_ends_this_login_and_no_other(
    identity: Identity, database_url: str
) -> None:
    made = await identity.register()
    elsewhere = (await identity.log_in()).json
    login_id = (await identity.wiring.verifier.verify(made["access_token"])).login_id
    answer = await identity.post("logout", token=made["access_token"])
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["x-stampede-revoked-login"] == str(login_id)
    refused = await identity.refresh(made["refresh_token"])
    assert (refused.status, refused.code) == (401, "invalid-refresh-token")
    profile = await identity.get("me", token=made["access_token"])
    assert (profile.status, profile.code) == (401, "invalid-token")
    assert (await identity.get("me", token=elsewhere["access_token"])).status == 200
    assert (await identity.refresh(elsewhere["refresh_token"])).status == 200
    revoked = (await identity.get("/internal/revoked-logins")).json["logins"]
    assert [login["login_id"] for login in revoked] == [str(login_id)]
    async with identity_tables(database_url) as tables:
        seconds = await tables.fetchval(
            "SELECT extract(epoch FROM revoked_until - now()) FROM logins"
            " WHERE revoked_until IS NOT NULL"
        )
    assert 900 <= seconds <= 960  # the last access token has expired by then


async def test_logging_out_twice_is_the_same(identity: Identity) -> None:
    made = await identity.register()
    first = await identity.post("logout", token=made["access_token"])
    second = await identity.post("logout", token=made["access_token"])
    assert (first.status, second.status) == (204, 204)


async def test_logging_out_needs_a_token(identity: Identity) -> None:
    answer = await identity.post("logout")
    assert (answer.status, answer.code) == (401, "unauthenticated")


async def test_revoked_logins_are_listed_until_their_last_token_has_expired(
    identity: Identity, database_url: str
) -> None:
    made = await identity.register()
    await identity.post("logout", token=made["access_token"])
    async with identity_tables(database_url) as tables:
        await tables.execute("UPDATE logins SET revoked_until = now() - interval '1 s'")
    assert (await identity.get("/internal/revoked-logins")).json == {"logins": []}
