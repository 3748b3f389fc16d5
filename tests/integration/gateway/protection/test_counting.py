"""Limits that processes count and report to one Valkey: scripts, bounds, releases side by side."""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from chassis.redis.scripts import RedisCalls, Script
from chassis.redis.servers import Servers
from gateway.protection.gate import SCRIPTS
from gateway.protection.limits import AHEAD_SHARE, UNTOLD_SHARE, Bucket, Policy
from tests.support.gateway import rig
from tests.support.limits import DictStore

SHOW = "/api/v1/shows"
SLOW = Policy("ip", 0.001, 16)  # a bucket regains nothing while a test runs
BUCKET = Bucket.of(SLOW, "a").key
WIDE = {"rate_limit_per_ip": 0.001, "rate_limit_per_ip_burst": 40}
SHARE = 40 // AHEAD_SHARE
UNTOLD = 40 // UNTOLD_SHARE
OLDER = """-- Take one request out of a bucket, as releases before 74 do.
-- KEYS     bucket
-- ARGV     interval_us, burst
-- RETURNS  {'allowed', left, full_in_ms} | {'limited', again_in_ms, full_in_ms}
local bucket = KEYS[1]
local interval_us, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local allowance_us = interval_us * burst

local arrival_us = tonumber(redis.call('GET', bucket))
-- Further ahead than any bucket allows: the clock was set back. Start with a full bucket.
if not arrival_us or arrival_us < now_us or arrival_us > now_us + allowance_us + 1000 then
  arrival_us = now_us
end
local ahead_us = arrival_us + interval_us - now_us
if ahead_us > allowance_us then
  return { 'limited', math.ceil((ahead_us - allowance_us) / 1000),
           math.ceil((arrival_us - now_us) / 1000) }
end
redis.call('SET', bucket, string.format('%.0f', now_us + ahead_us),
           'PX', math.max(1, math.ceil(ahead_us / 1000)))
return { 'allowed', math.floor((allowance_us - ahead_us) / interval_us), math.ceil(ahead_us / 1000) }
"""


class Scripts:
    """The scripts with one bucket."""

    def __init__(self, calls: RedisCalls, older: Script) -> None:
        self.calls, self._older = calls, older

    async def take(self, reported: int = 0) -> tuple[bool, float]:
        """Whether it was allowed, and how many seconds the bucket is ahead."""
        args = [SLOW.interval_us, SLOW.burst, reported]
        word, (_, full_in_ms) = await self.calls.run(SCRIPTS["gcra"], [BUCKET], args)
        return word == "allowed", full_in_ms / 1000

    async def report(self, requests: int) -> float:
        args = [SLOW.interval_us, SLOW.burst, requests]
        _, (ahead_us,) = await self.calls.run(SCRIPTS["report"], [BUCKET], args)
        return ahead_us / 1e6

    async def take_as_an_older_release(self) -> bool:
        word, _ = await self.calls.run(self._older, [BUCKET], [SLOW.interval_us, SLOW.burst])
        return word == "allowed"


@pytest.fixture
async def scripts(redis_url: str, tmp_path: Path) -> AsyncIterator[Scripts]:
    (tmp_path / "older.lua").write_text(OLDER)
    older = Script(tmp_path / "older.lua")
    calls = RedisCalls(Servers(redis_url), {**SCRIPTS, "older": older})
    yield Scripts(calls, older)
    await calls.close()


async def test_the_scripts_do_what_the_model_of_the_property_does(scripts: Scripts) -> None:
    """tests/unit/gateway/protection/test_counts.py proves the bound over that model."""
    random.seed(74)
    model = DictStore(SLOW)
    for _ in range(60):
        requests = random.choice([0, 0, 1, 3])
        if random.random() < 0.5:
            ahead_s, expected_s = await scripts.report(requests), model.report(0.0, requests)
        else:
            allowed, ahead_s = await scripts.take(requests)
            expected, expected_s = model.take(0.0, requests)
            assert allowed == expected
        assert ahead_s == pytest.approx(expected_s, abs=20)
    assert model.arrival_s > 2 * SLOW.burst / SLOW.rate  # a debt was among them


async def test_a_debt_is_repaid_before_the_next_request_and_outlives_no_bucket(
    scripts: Scripts,
) -> None:
    await scripts.report(20)
    assert await scripts.take() == (False, pytest.approx(20_000, abs=20))
    value = await scripts.calls.command("GET", BUCKET)
    assert value.endswith(b".04000000000")
    left_ms = await scripts.calls.command("PTTL", BUCKET)
    assert left_ms == pytest.approx(20_000_000, abs=20_000)


async def test_an_older_release_counts_in_the_same_bucket_and_respects_a_debt(
    scripts: Scripts,
) -> None:
    assert await scripts.take_as_an_older_release()
    assert await scripts.report(14) == pytest.approx(15_000, abs=20)
    assert await scripts.take_as_an_older_release()
    assert await scripts.take() == (False, pytest.approx(16_000, abs=20))
    await scripts.report(4)
    assert not await scripts.take_as_an_older_release()  # it knows no debt, but no room either
    assert await scripts.report(0) == pytest.approx(20_000, abs=20)


async def test_one_process_alone_is_exact(redis_url: str) -> None:
    async with rig(redis_url, **WIDE) as edge:
        answers = [await edge.client.get(SHOW) for _ in range(45)]
    assert [one.status for one in answers] == [200] * 40 + [429] * 5
    lefts = [(one.header("ratelimit") or "").split(";")[1] for one in answers]
    assert lefts == [f"r={max(0, 39 - number)}" for number in range(45)]
    assert int(answers[-1].header("retry-after") or 0) > 900


async def test_processes_exceed_a_limit_by_their_shares_and_repay_it(redis_url: str) -> None:
    async with rig(redis_url, **WIDE) as one, rig(redis_url, beside=one, **WIDE) as other:
        statuses = [
            (await edge.client.get(SHOW)).status for _ in range(40) for edge in (one, other)
        ]
    assert 40 <= statuses.count(200) <= 40 + 2 * SHARE
    assert statuses[-20:] == [429] * 20  # both know by now


async def test_what_was_let_in_is_known_to_the_next_process_once_this_one_has_stopped(
    redis_url: str,
) -> None:
    async with rig(redis_url, **WIDE) as first:
        for _ in range(SHARE):  # not one of them is asked about
            assert (await first.client.get(SHOW)).status == 200
    async with rig(redis_url, beside=first, **WIDE) as later:
        answers = [await later.client.get(SHOW) for _ in range(SHARE + 1)]
    left = 40 - 2 * (SHARE - UNTOLD) - 1
    assert (answers[-1].header("ratelimit") or "").startswith(f'"ip";r={left};')


async def test_what_is_seldom_asked_costs_redis_nothing(redis_url: str) -> None:
    async with rig(redis_url, **WIDE) as edge:
        for number in range(20):
            headers = [edge.bearer(user_id=uuid4())]
            peer = f"198.51.100.{number}"
            for _ in range(UNTOLD):
                assert (await edge.client.get(SHOW, headers, peer=peer)).status == 200
    calls = RedisCalls(Servers(redis_url), {})
    keys = await calls.command_to_each_node("KEYS", "limit:*")
    await calls.close()
    assert [one for node in keys for one in node] == []
