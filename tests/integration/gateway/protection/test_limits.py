"""Limits by address, user and login, over real Valkey and without it."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Servers
from tests.support.gateway import Rig, rig
from tests.support.seats import OwnServer, own_server

SHOW = "/api/v1/shows"
LOGIN = "/api/v1/auth/login"
TIGHT = {"rate_limit_per_ip": 0.1, "rate_limit_per_ip_burst": 3}


@pytest.fixture
async def edge(redis_url: str) -> AsyncIterator[Rig]:
    async with rig(redis_url, **TIGHT) as running:
        yield running


async def test_an_address_gets_its_burst_and_then_429(edge: Rig) -> None:
    answers = [await edge.client.get(SHOW) for _ in range(3)]
    assert [one.status for one in answers] == [200, 200, 200]
    assert [one.header("ratelimit") for one in answers] == [
        '"ip";r=2;t=10',
        '"ip";r=1;t=20',
        '"ip";r=0;t=30',
    ]
    assert answers[0].header("ratelimit-policy") == '"ip";q=3;w=30'
    for _ in range(2):  # by Redis' word, then by this process's memory of it
        refused = await edge.client.get(SHOW)
        assert (refused.status, refused.code) == (429, "rate-limited")
        assert refused.header("retry-after") == "10"
        assert refused.header("ratelimit-policy") == '"ip";q=3;w=30'
        assert refused.header("ratelimit") == '"ip";r=0;t=30'
        assert refused.header("x-request-id") == refused.json["request_id"]
    assert len(edge.catalog.requests) == 3


async def test_a_providers_callbacks_are_limited_only_when_they_are_refused(edge: Rig) -> None:
    """A whole sale's come from one address; whoever sends forged ones is told to wait."""
    path, body = "/api/v1/payments/webhooks/sandbox", b"{}"
    sent = [("content-type", "application/json")]
    good = [(await edge.client.post(path, body, sent)).status for _ in range(10)]
    assert good == [200] * 10

    async def refuse(scope: Any, body: bytes, send: Any) -> None:
        head = [(b"content-type", b"application/problem+json")]
        await send({"type": "http.response.start", "status": 401, "headers": head})
        await send({"type": "http.response.body", "body": b"{}"})

    edge.booking.respond = refuse
    forged = [(await edge.client.post(path, body, sent)).status for _ in range(6)]
    assert forged == [401, 401, 401, 429, 429, 429]  # the burst is three
    assert (await edge.client.get(SHOW)).status == 200  # what is limited is callbacks


async def test_a_bucket_fills_again(redis_url: str) -> None:
    async with rig(redis_url, rate_limit_per_ip=50.0, rate_limit_per_ip_burst=1) as edge:
        statuses = []
        async with asyncio.timeout(10):
            while statuses.count(200) < 3:
                statuses.append((await edge.client.get(SHOW)).status)
        assert set(statuses) <= {200, 429}


async def test_two_addresses_do_not_share_a_bucket(edge: Rig) -> None:
    for _ in range(4):
        await edge.client.get(SHOW)
    assert (await edge.client.get(SHOW)).status == 429
    assert (await edge.client.get(SHOW, peer="203.0.113.8")).status == 200
    statuses = [
        (await edge.client.get(SHOW, peer=f"2001:db8::{n}")).status for n in range(4)
    ]  # one network, one household
    assert statuses == [200, 200, 200, 429]
    assert (await edge.client.get(SHOW, peer="2001:db8:0:1::1")).status == 200


async def test_a_second_process_counts_in_the_same_bucket(redis_url: str) -> None:
    async with rig(redis_url, **TIGHT) as one, rig(redis_url, beside=one, **TIGHT) as other:
        statuses = [(await edge.client.get(SHOW)).status for edge in (one, other, one, other)]
    assert statuses == [200, 200, 200, 429]


async def test_rotating_x_forwarded_for_does_not_dodge_the_limit(edge: Rig) -> None:
    statuses = [
        (await edge.client.get(SHOW, [("X-Forwarded-For", f"10.0.0.{n}")])).status for n in range(4)
    ]
    assert statuses == [200, 200, 200, 429]


async def test_a_trusted_proxys_clients_are_told_apart_and_cannot_lie(redis_url: str) -> None:
    trusted = (ip_network("203.0.113.0/24"), ip_network("10.9.0.0/16"))
    async with rig(redis_url, trusted_proxies=trusted, **TIGHT) as edge:

        async def by(forwarded: str) -> int:
            return (await edge.client.get(SHOW, [("X-Forwarded-For", forwarded)])).status

        assert [await by(f"{n}.{n}.{n}.{n}, 198.51.100.1, 10.9.0.1") for n in range(4)] == [
            200,
            200,
            200,
            429,
        ]
        assert await by("198.51.100.2") == 200
        assert [await by(f"garbage{n}, 10.9.0.1") for n in range(4)] == [200, 200, 200, 429]


async def test_a_user_is_limited_whatever_the_address(redis_url: str) -> None:
    limits = {"rate_limit_per_user": 0.1, "rate_limit_per_user_burst": 2}
    async with rig(redis_url, **limits) as edge:
        token = edge.bearer(user_id=uuid4())
        answers = [await edge.client.get(SHOW, [token], peer=f"198.51.100.{n}") for n in range(4)]
        assert [one.status for one in answers] == [200, 200, 429, 429]
        assert (answers[0].header("ratelimit") or "").endswith('"user";r=1;t=10')
        assert answers[0].header("ratelimit-policy") == '"ip";q=1000000;w=1, "user";q=2;w=20'
        assert '"user";r=0' in (answers[3].header("ratelimit") or "")
        assert (await edge.client.get(SHOW, [edge.bearer()])).status == 200


async def test_logins_are_limited_more_strictly_than_browsing(redis_url: str) -> None:
    async with rig(redis_url, rate_limit_login=0.1, rate_limit_login_burst=2) as edge:
        statuses = [(await edge.client.post(LOGIN, b"{}")).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        register = await edge.client.post("/api/v1/auth/register", b"{}")
        assert register.status == 429  # one bucket for both: the same hashing stands behind them
        assert register.header("ratelimit-policy") == '"login";q=2;w=20'
        refreshes = [
            (await edge.client.post("/api/v1/auth/refresh", b"{}")).status for _ in range(9)
        ]
        assert refreshes == [200] * 8 + [429]
        assert (await edge.client.get(SHOW)).status == 200


async def test_a_login_with_another_spelling_is_still_a_login(redis_url: str) -> None:
    async with rig(redis_url, rate_limit_login=0.1, rate_limit_login_burst=1) as edge:
        assert (await edge.client.post(LOGIN, b"{}")).status == 200
        for target in (f"{LOGIN}/", f"{LOGIN}?x=1"):
            assert (await edge.client.post(target, b"{}")).status == 429
        for target in (f"{LOGIN};x", f"{LOGIN}//", "/api/v1/auth/%6cogin"):
            answer = await edge.client.post(target, b"{}")
            reached = (
                edge.identity.requests[-1]["path"] != LOGIN or len(edge.identity.requests) == 1
            )
            assert answer.status == 404 or reached


async def test_one_client_has_few_mails_sent_to_others(redis_url: str) -> None:
    """By address a sixtieth of its logins; with Redis away this process counts alone, as everything."""
    forgot = "/api/v1/auth/password/forgot"
    async with rig(redis_url, rate_limit_login=1.0, rate_limit_login_burst=3) as edge:
        answers = [await edge.client.post(forgot, b"{}") for _ in range(4)]
        assert [one.status for one in answers] == [200, 200, 200, 429]
        assert '"mail";q=3;w=180' in (answers[0].header("ratelimit-policy") or "")
        assert 1 <= int(answers[3].header("retry-after") or 0) <= 60
        assert (await edge.client.post(LOGIN, b"{}")).status == 200
        assert (await edge.client.post(forgot, b"{}", peer="203.0.113.8")).status == 200


async def test_an_expired_token_does_not_stand_in_the_way_of_a_refresh(edge: Rig) -> None:
    expired = edge.bearer(exp=1)
    answer = await edge.client.get("/api/v1/auth/me", [expired])
    assert (answer.status, answer.code) == (401, "token-expired")
    assert (await edge.client.post("/api/v1/auth/refresh", b"{}", [expired])).status == 200


@pytest.mark.parametrize(
    "token", ["Bearer x", "Bearer ", "Basic eA==", "Bearer \xff", "Bearer a.b.c"]
)
async def test_a_bad_token_is_refused_here(edge: Rig, token: str) -> None:
    answer = await edge.client.get("/api/v1/orders", [("Authorization", token)])
    assert (answer.status, answer.code) == (401, "invalid-token")
    assert answer.header("www-authenticate") == "Bearer"
    assert edge.booking.requests == []


async def test_bad_tokens_are_counted_like_any_request(edge: Rig) -> None:
    headers = [("Authorization", "Bearer a.b.c")]
    answers = [await edge.client.get("/api/v1/orders", headers) for _ in range(4)]
    assert [one.status for one in answers] == [401, 401, 401, 429]
    assert all(one.header("ratelimit") for one in answers)


async def test_tokens_that_nobody_can_judge_are_counted_too(edge: Rig) -> None:
    """Their keys cannot be had: 503 and no 401, which would end somebody's login; and no way round limits."""
    edge.identity.away = True
    headers = [edge.bearer()]
    answers = [await edge.client.get("/api/v1/orders", headers) for _ in range(4)]
    assert [one.status for one in answers] == [503, 503, 503, 429]
    assert answers[0].code == "unavailable"


async def test_files_docs_and_probes_are_not_limited(edge: Rig) -> None:
    for _ in range(5):
        for path in ("/", "/docs", "/healthz", "/docs/assets/swagger-ui.css"):
            answer = await edge.client.get(path)
            assert answer.status == 200, path
            assert answer.header("ratelimit") is None


async def test_a_clock_that_was_set_back_keeps_nobody_out(redis_url: str) -> None:
    async with rig(redis_url, **TIGHT) as edge:
        await edge.client.get(SHOW)
        calls = RedisCalls(Servers(redis_url), {})
        (key,) = [
            one for node in await calls.command_to_each_node("KEYS", "limit:*") for one in node
        ]
        tomorrow = int(await calls.command("GET", key)) + 86_400_000_000
        await calls.command("SET", key, tomorrow)
        await calls.close()
        assert (await edge.client.get(SHOW)).status == 200


@pytest.fixture
def valkey() -> Iterator[OwnServer]:
    with own_server(Path(tempfile.mkdtemp(prefix="gw-"))) as server:
        yield server


async def test_without_redis_logins_stay_limited_and_browsing_goes_on(valkey: OwnServer) -> None:
    limits = {"rate_limit_login": 0.1, "rate_limit_login_burst": 3}
    async with rig(valkey.url, **limits) as edge:
        assert (await edge.client.post(LOGIN, b"{}")).status == 200
        valkey.kill()
        statuses = [(await edge.client.post(LOGIN, b"{}")).status for _ in range(20)]
        assert statuses.count(200) == 2  # this process remembers the one before
        assert statuses.count(429) == 18
        for _ in range(5):
            answer = await edge.client.get(SHOW, [edge.bearer()])
            assert answer.status == 200
            assert answer.header("ratelimit")


async def test_a_redis_that_hangs_delays_one_request_and_not_the_next(valkey: OwnServer) -> None:
    async with rig(valkey.url) as edge:
        assert (await edge.client.get(SHOW)).status == 200
        valkey.signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(2):
                assert (await edge.client.get(SHOW)).status == 200
            async with asyncio.timeout(0.4):
                for _ in range(20):
                    assert (await edge.client.get(SHOW)).status == 200
        finally:
            valkey.signal(signal.SIGCONT)


async def test_a_logout_holds_without_redis_and_after_it_comes_back(valkey: OwnServer) -> None:
    async with rig(valkey.url) as one, rig(valkey.url, beside=one) as other:
        login = uuid4()
        token = [one.bearer(login_id=login)]
        me = "/api/v1/auth/me"
        assert (await one.client.get(me, token)).status == 200
        valkey.kill()
        one.identity.respond = one.identity.log_out(login)
        assert (await one.client.post("/api/v1/auth/logout", b"", token)).status == 204
        one.identity.respond = one.identity.echo
        for edge in (one, other, one, other):
            assert (await edge.client.get(me, token)).status == 401
        valkey.start()
        for edge in (one, other):
            assert (await edge.client.get(me, token)).status == 401


async def test_nobody_who_can_say_whether_a_login_ended_means_closed(valkey: OwnServer) -> None:
    async with rig(valkey.url) as edge:
        token = [edge.bearer()]
        assert (await edge.client.get(SHOW, token)).status == 200
        valkey.kill()
        edge.identity.away = True
        answer = await edge.client.get(SHOW, token)
        assert (answer.status, answer.code) == (503, "unavailable")
        assert (await edge.client.get(SHOW)).status == 200  # nobody in particular asks
