"""Registering, and reading and changing one's profile."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.languages import HOME, LANGUAGES
from chassis.observability import logs
from contracts.identity import BY_EMAIL_PATH, LOOKUP_PATH
from identity.administration import make_buyers
from tests.support.identity import EMAIL, PASSWORD, Identity, identity_tables, running_identity

BODY = {"email": EMAIL, "password": PASSWORD, "full_name": "Ann Example"}
UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
async def identity(database_url: str) -> AsyncIterator[Identity]:
    async with running_identity(database_url) as running:
        yield running


async def test_registering_logs_in_and_shows_the_profile(identity: Identity) -> None:
    answer = await identity.post("register", BODY | {"email": "  ANN@Example.com "})
    assert answer.status == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json
    assert made.keys() == {"user_id", "access_token", "refresh_token", "token_type", "expires_in"}
    assert (made["token_type"], made["expires_in"]) == ("Bearer", 900)
    assert UUID(made["user_id"]).version == 7
    profile = await identity.get("me", token=made["access_token"])
    assert profile.status == 200
    assert profile.json == {
        "user_id": made["user_id"],
        "email": EMAIL,
        "full_name": "Ann Example",
        "phone": None,
        "locale": HOME,
        "roles": ["customer"],
    }


@pytest.mark.parametrize("default", LANGUAGES)
async def test_an_account_has_the_language_that_it_says_or_asks_for_or_the_platforms(
    database_url: str, default: str
) -> None:
    async with running_identity(database_url, default_language=default) as identity:
        for number, (said, asked, locale) in enumerate(
            [
                (None, None, default),
                (None, "tlh, sjn;q=0.5", default),
                (None, "zh-CN,zh;q=0.9", "zh"),
                (None, "en-GB,en;q=0.9", "en"),
                ("zh", "en", "zh"),
                ("en", "zh", "en"),
            ]
        ):
            body = (
                BODY | {"email": f"reader{number}@example.com"} | ({"locale": said} if said else {})
            )
            headers = {"accept-language": asked} if asked else {}
            made = await identity.post("register", body, headers=headers)
            profile = await identity.get("me", token=made.json["access_token"])
            assert profile.json["locale"] == locale


async def test_an_address_is_taken_once_however_it_is_typed(identity: Identity) -> None:
    await identity.register()
    for typed in (EMAIL, "Ann@EXAMPLE.com", f" {EMAIL} "):
        again = await identity.post("register", BODY | {"email": typed})
        assert (again.status, again.code) == (409, "email-taken")


async def test_passwords_are_kept_as_argon2id_only(identity: Identity, database_url: str) -> None:
    await identity.register()
    async with identity_tables(database_url) as tables:
        stored = await tables.fetchval("SELECT password_hash FROM accounts")
        everything = await tables.fetchval("SELECT string_agg(a::text, '') FROM accounts a")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in everything


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "ann"}, "email"),
        ({"email": "ann@example"}, "email"),
        ({"email": "ann@example.com\u0000"}, "email"),
        ({"email": 5}, "email"),
        ({"email": "a" * 400 + "@example.com"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 257}, "password"),
        ({"password": "password123"}, "password"),
        ({"password": "nul\u0000nul\u0000"}, "password"),
        ({"password": EMAIL}, "password"),
        ({"full_name": ""}, "full_name"),
        ({"full_name": "   "}, "full_name"),
        ({"full_name": "n" * 101}, "full_name"),
        ({"full_name": "a\u0000b"}, "full_name"),
        ({"full_name": None}, "full_name"),
        ({"roles": ["admin"]}, "roles"),
        ({"role": "admin"}, "role"),
        ({"user_id": UNKNOWN_ID}, "user_id"),
        ({"active": True}, "active"),
        ({"locale": "tlh"}, "locale"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_bad_registrations_name_the_wrong_field(
    identity: Identity, database_url: str, changes: dict[str, Any], field: str
) -> None:
    answer = await identity.post("register", BODY | changes)
    assert (answer.status, answer.code) == (400, "validation-failed"), answer
    assert [error["field"] for error in answer.json["errors"]] == [field]
    async with identity_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM accounts") == 0


@pytest.mark.parametrize("route", ["register", "login", "refresh"])
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b'{"email":"\xff"}',
        b'{"email":"\\ud800"}',
        b"[" * 100_000,
        b"{}",
    ],
    ids=lambda raw: repr(raw[:16]),
)
async def test_bodies_that_are_none_are_refused(identity: Identity, route: str, raw: bytes) -> None:
    answer = await identity.post(route, raw=raw)
    assert (answer.status, answer.code) == (400, "validation-failed"), answer


async def test_other_content_types_and_huge_bodies_are_refused(identity: Identity) -> None:
    form = await identity.post("login", raw=b"a=b", headers={"content-type": "text/plain"})
    assert (form.status, form.code) == (415, "unsupported-media-type")
    huge = await identity.post("login", raw=b'{"email":"' + b"a" * 2_000_000 + b'"}')
    assert (huge.status, huge.code) == (413, "payload-too-large")


async def test_a_password_of_64_characters_and_a_chinese_one_work(identity: Identity) -> None:
    for number, password in enumerate(["x1" * 32, "我有一个很长的密码", "x" * 255 + "y"]):
        email = f"long{number}@example.com"
        made = await identity.post("register", BODY | {"email": email, "password": password})
        assert made.status == 201, made
        assert (await identity.log_in(email, password)).status == 200
        assert (await identity.log_in(email, password[:-1])).status == 401


async def test_composed_and_decomposed_accents_are_the_same_password(identity: Identity) -> None:
    composed, decomposed = "caf\u00e9 cr\u00e8me", "cafe\u0301 cre\u0300me"
    made = await identity.post("register", BODY | {"password": composed})
    assert made.status == 201
    assert (await identity.log_in(EMAIL, decomposed)).status == 200


async def test_an_expired_token_sent_along_does_not_keep_anybody_out(identity: Identity) -> None:
    """Clients send their stale token with everything; refresh is where they get a new one."""
    made = await identity.register(headers={"authorization": "Bearer broken.token.here"})
    stale = {"authorization": "Bearer broken.token.here"}
    body = {"refresh_token": made["refresh_token"]}
    assert (await identity.post("refresh", body, headers=stale)).status == 200
    body = {"email": EMAIL, "password": PASSWORD}
    assert (await identity.post("login", body, headers=stale)).status == 200


# Idempotency-Key


async def test_a_repeated_registration_is_answered_again_with_new_tokens(
    identity: Identity, database_url: str
) -> None:
    key = {"idempotency-key": str(uuid4())}
    first = await identity.post("register", BODY, headers=key)
    second = await identity.post("register", BODY, headers=key)
    assert (first.status, second.status) == (201, 201)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.json["user_id"] == first.json["user_id"]
    assert second.json["refresh_token"] != first.json["refresh_token"]
    assert (await identity.get("me", token=second.json["access_token"])).status == 200
    async with identity_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM accounts") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "bob@example.com"},
        {"full_name": "Ann Other"},
        {"password": "four green kettles on a shelf"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_key_used_with_another_body_is_refused(
    identity: Identity, changes: dict[str, str]
) -> None:
    key = {"idempotency-key": "register-1"}
    assert (await identity.post("register", BODY, headers=key)).status == 201
    other = await identity.post("register", BODY | changes, headers=key)
    assert (other.status, other.code) == (422, "idempotency-key-reused")


async def test_a_refused_registration_leaves_its_key_free(identity: Identity) -> None:
    key = {"idempotency-key": "register-1"}
    refused = await identity.post("register", BODY | {"password": "short"}, headers=key)
    assert refused.status == 400
    assert (await identity.post("register", BODY, headers=key)).status == 201


async def test_a_key_under_way_is_in_flight(identity: Identity, database_url: str) -> None:
    async with identity_tables(database_url) as tables, tables.transaction():
        caller = hashlib.sha256(b" register-1").hexdigest()
        lock = "SELECT pg_advisory_xact_lock(hashtextextended($1 || 'register-1', 7383))"
        await tables.fetchval(lock, caller)
        busy = await identity.post("register", BODY, headers={"idempotency-key": "register-1"})
    assert (busy.status, busy.code) == (409, "idempotency-in-flight")


async def test_a_key_is_its_clients_own(identity: Identity, database_url: str) -> None:
    """Somebody else's key shows neither a 422 nor an account; the address itself is kept nowhere."""
    key = {"idempotency-key": "register-1"}
    here, there = {"x-forwarded-for": "192.0.2.1"}, {"x-forwarded-for": "192.0.2.2"}
    first = await identity.post("register", BODY, headers=key | here)
    other = await identity.post(
        "register", BODY | {"email": "bob@example.com"}, headers=key | there
    )
    assert (first.status, other.status) == (201, 201)
    assert first.json["user_id"] != other.json["user_id"]
    stranger = await identity.post("register", BODY, headers=key | {"x-forwarded-for": "192.0.2.3"})
    assert (stranger.status, stranger.code) == (409, "email-taken")  # as without a key
    again = await identity.post("register", BODY, headers=key | here)
    assert (again.status, again.headers["idempotency-replayed"]) == (201, "true")
    reused = await identity.post(
        "register", BODY | {"email": "bob@example.com"}, headers=key | here
    )
    assert (reused.status, reused.code) == (422, "idempotency-key-reused")
    async with identity_tables(database_url) as tables:
        kept = await tables.fetchval("SELECT string_agg(r::text, '') FROM registrations r")
    assert "192.0.2" not in kept


async def test_a_key_under_way_elsewhere_is_in_nobodys_way(
    identity: Identity, database_url: str
) -> None:
    key = {"idempotency-key": "register-1"}
    async with identity_tables(database_url) as tables, tables.transaction():
        caller = hashlib.sha256(b"192.0.2.1 register-1").hexdigest()
        lock = "SELECT pg_advisory_xact_lock(hashtextextended($1 || 'register-1', 7383))"
        await tables.fetchval(lock, caller)
        here, there = {"x-forwarded-for": "192.0.2.1"}, {"x-forwarded-for": "192.0.2.2"}
        assert (await identity.post("register", BODY, headers=key | here)).status == 409
        assert (await identity.post("register", BODY, headers=key | there)).status == 201


async def test_a_key_stays_with_a_client_that_changes_its_address_within_its_network(
    identity: Identity,
) -> None:
    key = {"idempotency-key": "register-1"}
    addresses = ("2001:db8:1:2::7", "2001:db8:1:2:ffff::1")
    answers = [
        await identity.post("register", BODY, headers=key | {"x-forwarded-for": address})
        for address in addresses
    ]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[1].headers["idempotency-replayed"] == "true"
    stranger = await identity.post(
        "register", BODY, headers=key | {"x-forwarded-for": "2001:db8:1:3::7"}
    )
    assert (stranger.status, stranger.code) == (409, "email-taken")


@pytest.mark.parametrize("key", ["k" * 256, "with blank", "schlüssel"])
async def test_keys_that_are_none_are_refused(identity: Identity, key: str) -> None:
    answer = await identity.post("register", BODY, headers={"idempotency-key": key})
    assert (answer.status, answer.code) == (400, "validation-failed")


async def test_a_key_is_no_way_round_the_limit_on_guesses(identity: Identity) -> None:
    key = {"idempotency-key": "register-1"}
    await identity.post("register", BODY, headers=key)
    guesses = [BODY | {"password": f"guess number {n}"} for n in range(11)]
    statuses = [(await identity.post("register", g, headers=key)).status for g in guesses]
    assert statuses == [422] * 10 + [429]


# profile


async def test_a_profile_is_changed_by_what_is_sent_and_nothing_else(identity: Identity) -> None:
    token = (await identity.register())["access_token"]
    changed = await identity.call(
        "PATCH", "me", {"full_name": " 安 ", "phone": "+86 138-0013-8000"}, token=token
    )
    assert changed.status == 200, changed
    assert changed.json["full_name"] == "安"
    assert (changed.json["phone"], changed.json["locale"]) == ("+86 138-0013-8000", HOME)
    changed = await identity.call("PATCH", "me", {"locale": "zh"}, token=token)
    assert (changed.json["locale"], changed.json["full_name"]) == ("zh", "安")
    changed = await identity.call("PATCH", "me", {"phone": None}, token=token)
    assert changed.json["phone"] is None
    unchanged = await identity.call("PATCH", "me", {}, token=token)
    assert unchanged.json == changed.json == (await identity.get("me", token=token)).json


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"roles": ["admin"]}, "roles"),
        ({"email": "bob@example.com"}, "email"),
        ({"user_id": UNKNOWN_ID}, "user_id"),
        ({"active": False}, "active"),
        ({"password": "four green kettles"}, "password"),
        ({"locale": "tlh"}, "locale"),
        ({"locale": None}, "locale"),
        ({"full_name": None}, "full_name"),
        ({"full_name": "\t"}, "full_name"),
        ({"phone": "call me"}, "phone"),
        ({"phone": 13800138000}, "phone"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_a_profile_cannot_be_changed_to_is_refused(
    identity: Identity, change: dict[str, Any], field: str
) -> None:
    token = (await identity.register())["access_token"]
    before = (await identity.get("me", token=token)).json
    answer = await identity.call("PATCH", "me", {"locale": "en"} | change, token=token)
    assert (answer.status, answer.code) == (400, "validation-failed"), answer
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert (await identity.get("me", token=token)).json == before


async def test_profiles_need_a_good_token(identity: Identity) -> None:
    for method in ("GET", "PATCH"):
        nobody = await identity.call(method, "me")
        assert (nobody.status, nobody.code) == (401, "unauthenticated")
        assert nobody.headers["www-authenticate"] == "Bearer"
        stranger = await identity.call(method, "me", token="not.a.token")
        assert (stranger.status, stranger.code) == (401, "invalid-token")


async def looked_up(identity: Identity, *user_ids: str) -> list[Any]:
    """What other services are told of these, in this order."""
    lookups = [{"user_id": one, "request_id": "asked", "span": ""} for one in user_ids]
    answer = await identity.post(LOOKUP_PATH, {"lookups": lookups})
    assert answer.status == 200, answer
    accounts: list[Any] = answer.json["accounts"]
    return accounts


async def test_other_services_look_accounts_up_by_id_and_by_address(identity: Identity) -> None:
    made = await identity.register()
    account = {
        "user_id": made["user_id"],
        "email": EMAIL,
        "full_name": "Ann Example",
        "phone": None,
        "locale": HOME,
        "roles": ["customer"],
        "active": True,
    }
    asked = (UNKNOWN_ID, made["user_id"], made["user_id"])
    assert await looked_up(identity, *asked) == [None, account, account]
    nonsense = {"lookups": [{"user_id": "not-a-uuid", "request_id": "asked", "span": ""}]}
    assert (await identity.post(LOOKUP_PATH, nonsense)).code == "validation-failed"
    by_address = await identity.post(BY_EMAIL_PATH, {"email": f" {EMAIL.upper()}"})
    assert (by_address.status, by_address.json) == (200, account)
    for address, status in (("nobody@example.com", 404), ("no address", 400)):
        assert (await identity.post(BY_EMAIL_PATH, {"email": address})).status == status


async def test_a_disabled_account_and_a_deleted_login_have_no_profile(
    identity: Identity, database_url: str
) -> None:
    ((user_id, token), (_, other)) = await make_buyers(database_url, 2)
    async with identity_tables(database_url) as tables:
        await tables.execute("UPDATE accounts SET active = false WHERE user_id = $1", user_id)
        await tables.execute("DELETE FROM logins WHERE user_id <> $1", user_id)
    for ended in (token, other):
        answer = await identity.get("me", token=ended)
        assert (answer.status, answer.code) == (401, "invalid-token")
        answer = await identity.call("PATCH", "me", {"locale": "en"}, token=ended)
        assert (answer.status, answer.code) == (401, "invalid-token")
    (account,) = await looked_up(identity, str(user_id))
    assert account["active"] is False


async def test_a_list_that_one_request_needs_is_one_line_of_the_log(
    identity: Identity, tmp_path: Path
) -> None:
    """And what others need in the same call is told under theirs."""
    made = await identity.register()
    logs.configure(tmp_path, log_format="text", console=False)
    try:
        asked = [("list", UNKNOWN_ID), ("list", made["user_id"]), ("other", made["user_id"])]
        lookups = [{"user_id": one, "request_id": request, "span": ""} for request, one in asked]
        await identity.post(LOOKUP_PATH, {"lookups": lookups})
        logs.flush()
    finally:
        logs.configure(None, log_format="text", console=False)
    lines = (tmp_path / "identity.log").read_text().splitlines()
    assert [line.partition(" duration")[0].partition("[")[2] for line in lines] == [
        "list] profiles_read users=2",
        f"other] profile_read user={made['user_id']}",
    ]


async def test_the_log_tells_events_and_no_secret(identity: Identity, tmp_path: Path) -> None:
    logs.configure(tmp_path, log_format="text", console=False)
    try:
        made = await identity.register()
        await identity.log_in(EMAIL, "the wrong password")
        await identity.log_in("nobody@example.com", "the wrong password")
        login = (await identity.log_in()).json
        await identity.get("me", token=login["access_token"])
        await identity.call("PATCH", "me", {"phone": "13800138000"}, token=login["access_token"])
        await identity.refresh(login["refresh_token"])
        await identity.refresh(login["refresh_token"])
        await identity.post("logout", token=made["access_token"])
        logs.flush()
    finally:
        logs.configure(None, log_format="text", console=False)
    text = (tmp_path / "identity.log").read_text()
    events = [line.split("] ", 1)[1].split(" ")[0] for line in text.splitlines()]
    assert events == [
        "registered",
        "login_refused",
        "login_refused",
        "logged_in",
        "profile_read",
        "profile_changed",
        "refreshed",
        "refresh_token_reused",
        "logged_out",
    ]
    assert f"profile_read user={made['user_id']} duration=" in text
    assert f"login_refused user={made['user_id']} reason=wrong_password" in text
    secrets = (EMAIL, "nobody@", PASSWORD, "wrong password", "13800138000", "Ann Example")
    tokens = (made["access_token"], login["refresh_token"], login["access_token"])
    assert [secret for secret in (*secrets, *tokens) if secret in text] == []
