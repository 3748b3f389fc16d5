"""Known devices: strangers' wrong passwords keep no owner out, and a cookie helps nobody else."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from identity.attempts import TRIES_AT_ONCE_MAX
from identity.devices import ACCOUNTS_MAX, NAME, TTL_S, Devices
from tests.support.api import Answer
from tests.support.clock import SetClock
from tests.support.identity import (
    EMAIL,
    NEW_PASSWORD,
    PASSWORD,
    Identity,
    identity_tables,
    running_identity,
)

WRONG = "four green kettles on a shelf"
BOB = "bob@example.com"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Identity]:
    async with running_identity(database_url) as running:
        yield running


def cookie_of(answer: Answer) -> str:
    return str(answer.headers["set-cookie"]).split(";")[0]


def with_cookie(cookie: str) -> dict[str, dict[str, str]]:
    return {"headers": {"cookie": cookie}}


async def keep_out(service: Identity, email: str = EMAIL) -> None:
    """A stranger without a cookie uses up the account's tries."""
    for _ in range(10):
        assert (await service.log_in(email, WRONG)).status == 401
    assert (await service.log_in(email, PASSWORD)).status == 429


async def test_an_owner_logs_in_from_a_known_device_while_strangers_keep_failing(
    service: Identity,
) -> None:
    await service.register()
    cookie = cookie_of(await service.log_in())
    await keep_out(service)
    known = await service.log_in(**with_cookie(cookie))
    assert known.status == 200
    assert (await service.log_in()).status == 429  # for the stranger nothing has changed
    assert (await service.log_in(**with_cookie(cookie_of(known)))).status == 200


async def test_a_device_is_known_after_registering_resetting_and_changing_too(
    service: Identity, database_url: str
) -> None:
    body = {"email": EMAIL, "password": PASSWORD, "full_name": "Ann Example"}
    registered = await service.post("register", body)
    async with identity_tables(database_url) as tables:
        await service.forget()
        reset = await service.reset(await service.link(tables))
    changed = await service.change(reset.json["access_token"], NEW_PASSWORD, PASSWORD)
    await keep_out(service)
    for answer, status in ((registered, 429), (reset, 429), (changed, 200)):
        # marks are void with the password they were made by
        assert (await service.log_in(**with_cookie(cookie_of(answer)))).status == status


async def test_the_cookie_is_kept_from_scripts_other_sites_and_other_paths(
    service: Identity, database_url: str
) -> None:
    await service.register()
    answer = await service.log_in()
    parts = answer.headers["set-cookie"].split("; ")
    assert parts[0].startswith(f"{NAME}=")
    assert set(parts[1:]) == {
        "Path=/api/v1/auth",
        f"Max-Age={TTL_S}",
        "HttpOnly",
        "SameSite=Strict",
    }
    async with running_identity(database_url, public_url="https://tickets.example") as behind_tls:
        secure = (await behind_tls.log_in()).headers["set-cookie"]
    assert secure.startswith(f"__Secure-{NAME}=")
    assert "; Secure" in secure


async def test_the_cookie_holds_no_personal_data_and_not_the_same_mark_twice(
    service: Identity,
) -> None:
    made = await service.register()
    first, second = [cookie_of(await service.log_in()) for _ in range(2)]
    assert first != second
    for cookie in (first, second):
        value = cookie.partition("=")[2]
        assert re.fullmatch(r"0\.\d{10}\.[\w-]{22}\.[\w-]{43}", value)
        for personal in (EMAIL, "ann", made["user_id"], made["user_id"].replace("-", "")):
            assert personal not in value.lower()


async def test_a_refused_login_leaves_no_cookie(service: Identity) -> None:
    await service.register()
    for email in (EMAIL, "nobody@example.com"):
        assert "set-cookie" not in (await service.log_in(email, WRONG)).headers


async def test_a_known_device_has_ten_tries_of_its_own_and_no_more(
    service: Identity, database_url: str
) -> None:
    """Also in the hands of a thief, and it costs the owner nothing elsewhere."""
    await service.register()
    stolen = cookie_of(await service.log_in())
    for _ in range(10):
        assert (await service.log_in(EMAIL, WRONG, **with_cookie(stolen))).status == 401
    limited = await service.log_in(EMAIL, PASSWORD, **with_cookie(stolen))
    assert (limited.status, limited.code) == (429, "rate-limited")
    assert 1 <= int(limited.headers["retry-after"]) <= 90
    owner = await service.log_in()
    assert owner.status == 200
    async with identity_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM login_failures") == 1
        await tables.execute("UPDATE login_failures SET settled_at = settled_at - interval '90 s'")
    assert (await service.log_in(EMAIL, WRONG, **with_cookie(stolen))).status == 401
    assert (await service.log_in(EMAIL, WRONG, **with_cookie(stolen))).status == 429


async def test_a_success_from_a_known_device_forgets_its_failures_and_not_the_strangers(
    service: Identity,
) -> None:
    await service.register()
    cookie = cookie_of(await service.log_in())
    await keep_out(service)
    for _ in range(3):
        for _ in range(9):
            assert (await service.log_in(EMAIL, WRONG, **with_cookie(cookie))).status == 401
        assert (await service.log_in(**with_cookie(cookie))).status == 200
    assert (await service.log_in()).status == 429


async def test_forged_and_altered_marks_and_those_of_others_are_no_advantage(
    service: Identity,
) -> None:
    await service.register()
    await service.register(BOB)
    good = cookie_of(await service.log_in()).partition("=")[2]
    bobs = cookie_of(await service.log_in(BOB)).partition("=")[2]
    version, ends_at, name, mac = good.split(".")
    forged = [
        bobs,
        f"1.{ends_at}.{name}.{mac}",
        f"{version}.{int(ends_at) + 1}.{name}.{mac}",
        f"{version}.{ends_at}.{name[::-1]}.{mac}",
        f"{version}.{ends_at}.{name}.{mac[::-1]}",
        f"{version}.{ends_at}.{name}.",
        Devices(b"another key", secure=False)
        .remember(None, EMAIL, 0)
        .split(";")[0]
        .partition("=")[2],
        "",
        "~~~",
        "x" * 5000,
        "0.9999999999." + "A" * 22 + "." + "A" * 43,
    ]
    await keep_out(service)
    for value in forged:
        answer = await service.log_in(**with_cookie(f"{NAME}={value}"))
        assert answer.status == 429, value
    # and nobody loses anything by one
    for value in forged:
        assert (await service.log_in(BOB, **with_cookie(f"{NAME}={value}"))).status == 200, value
    assert (await service.log_in(**with_cookie(f"{NAME}={good}"))).status == 200


async def test_a_mark_ends(database_url: str) -> None:
    clock = SetClock()
    async with running_identity(database_url, clock=clock) as service:
        await service.register()
        cookie = cookie_of(await service.log_in())
        await keep_out(service)
        clock.ahead_s = TTL_S - 60
        assert (await service.log_in(**with_cookie(cookie))).status == 200
        clock.ahead_s = TTL_S + 1
        assert (await service.log_in(**with_cookie(cookie))).status == 429


async def test_people_who_share_a_browser_are_all_known_up_to_four(service: Identity) -> None:
    people = [f"person{n}@example.com" for n in range(ACCOUNTS_MAX + 1)]
    cookie = ""
    for email in people:
        await service.register(email)
        cookie = cookie_of(await service.log_in(email, **with_cookie(cookie)))
    for email in people:
        await keep_out(service, email)
    statuses = [(await service.log_in(email, **with_cookie(cookie))).status for email in people]
    assert statuses == [429] + [200] * ACCOUNTS_MAX
    again = cookie_of(await service.log_in(people[1], **with_cookie(cookie)))
    assert again.count("~") == ACCOUNTS_MAX - 1
    assert len(again) < 400


async def test_a_flood_on_the_account_leaves_a_known_device_its_turn(service: Identity) -> None:
    """The line of those who try one account is full: 503 for strangers, not for the owner."""
    await service.register()
    cookie = cookie_of(await service.log_in())
    flood = [
        asyncio.ensure_future(service.log_in(EMAIL, WRONG)) for _ in range(TRIES_AT_ONCE_MAX + 20)
    ]
    turned_away, _ = await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
    assert {one.result().status for one in turned_away} == {503}  # the line is full now
    owner = await service.log_in(**with_cookie(cookie))
    assert owner.status == 200
    statuses = {answer.status for answer in await asyncio.gather(*flood)}
    assert statuses == {401, 429, 503}


async def test_a_known_device_may_change_the_password_while_strangers_fail(
    service: Identity,
) -> None:
    await service.register()
    login = await service.log_in()
    await keep_out(service)
    token = login.json["access_token"]
    assert (await service.change(token)).status == 429
    assert (await service.change(token, **with_cookie(cookie_of(login)))).status == 204
