"""Which of a service's addresses gets a call: those that leave, come back, fail, or weigh more."""

from collections import Counter

import pytest

from chassis.seam.address import Address
from chassis.seam.addresses import Source
from chassis.seam.hosts import (
    BREAK_AFTER_FAILURES,
    BREAK_FOR_S,
    LEAVING_S,
    SLOW_START_S,
    Host,
    Hosts,
)
from chassis.seam.upstream import HttpUpstream
from tests.support.clock import MonotonicClock
from tests.support.peer import Connection, Peer
from tests.unit.chassis.seam.test_upstream import ask, peer, serve_ok

LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
PICKS = 2000


def twins(clock: MonotonicClock) -> tuple[Host, Host, Hosts]:
    one, two = Host("127.0.0.1", clock=clock), Host("127.0.0.2", clock=clock)
    return one, two, Hosts("service", 80, known=[one, two], clock=clock)


async def shares(hosts: Hosts) -> Counter[Host | None]:
    picked = Counter([await hosts.pick([]) for _ in range(PICKS)])
    return Counter({host: round(100 * count / PICKS) for host, count in picked.items()})


async def test_an_address_that_leaves_gets_no_calls_while_there_is_another() -> None:
    clock = MonotonicClock()
    leaving, staying, hosts = twins(clock)
    leaving.answered(200, leaving=True)
    assert await shares(hosts) == {staying: 100}
    assert await hosts.pick([staying]) is leaving
    clock.move_on(LEAVING_S)  # then a call looks whether it is still there
    assert (await shares(hosts))[leaving] > 0


async def test_an_answer_that_closes_its_connection_says_that_its_address_leaves() -> None:
    async def script(db: Connection) -> None:
        await db.request()
        await db.say(LAST)

    leaving, staying = Host("127.0.0.1"), Host("127.0.0.2")
    leaving.under_way = -1  # so that it is picked first
    async with (
        peer(script, [leaving, staying]) as (ending, upstream),
        Peer(serve_ok).running("127.0.0.2", ending.port) as other,
    ):
        for _ in range(5):
            assert (await ask(upstream, "POST")).status == 200
        assert (len(ending.requests), len(other.requests)) == (1, 4)


async def test_an_address_that_comes_back_gets_a_growing_share() -> None:
    clock = MonotonicClock()
    back, other, hosts = twins(clock)
    for _ in range(BREAK_AFTER_FAILURES):
        back.failed()
    clock.move_on(60.0)
    with back.call():
        back.answered(200)
    seen = []
    for _ in range(4):
        seen.append((await shares(hosts))[back])
        clock.move_on(SLOW_START_S / 3)
    assert seen == sorted(seen)
    assert seen[0] < 12
    assert 45 < seen[3] < 55
    assert other.warmth(clock.now) == 1.0


async def test_a_new_address_starts_slowly_and_those_of_the_beginning_do_not() -> None:
    clock = MonotonicClock()
    there = [Address("127.0.0.1", 80, "a"), Address("127.0.0.2", 80, "b")]

    async def find() -> list[Address]:
        return there

    hosts = Hosts("service", 80, sources=[Source(find=find)], clock=clock)
    await hosts.resolve()
    assert all(share > 45 for share in (await shares(hosts)).values())
    there.append(Address("127.0.0.3", 80, "c"))
    await hosts.resolve()
    by_address = {host.address: share for host, share in (await shares(hosts)).items() if host}
    assert by_address["127.0.0.3"] < 10


@pytest.mark.parametrize("status", [500, 501, 507])
async def test_an_address_that_answers_only_5xx_draws_hardly_any_calls(status: int) -> None:
    clock = MonotonicClock()
    bad, good, hosts = twins(clock)
    for _ in range(100):
        bad.answered(status)
    assert await shares(hosts) == {good: 100}


async def test_a_few_old_failures_are_forgotten_where_nobody_is_busy() -> None:
    clock = MonotonicClock()
    once_failed, _, hosts = twins(clock)
    once_failed.failed()
    assert (await shares(hosts))[once_failed] == 0
    clock.move_on(60.0)
    assert (await shares(hosts))[once_failed] > 40


async def test_a_twin_that_hung_is_tried_when_the_other_one_has_stopped() -> None:
    """By one call at a time: it may still hang."""
    clock = MonotonicClock()
    hung, stopped, hosts = twins(clock)
    for _ in range(BREAK_AFTER_FAILURES):
        hung.failed(hung=True)
    assert await hosts.pick([stopped]) is hung
    with hung.call():
        assert await hosts.pick([stopped]) is None
    assert await hosts.pick([stopped]) is hung
    for _ in range(BREAK_AFTER_FAILURES):
        stopped.failed()
    assert await hosts.pick([]) is stopped  # this one refuses at once
    clock.move_on(BREAK_FOR_S / 2)
    assert await hosts.pick([stopped]) is hung


async def test_weights_share_the_calls_and_the_lowest_priority_gets_all() -> None:
    clock = MonotonicClock()
    there = [
        Address("127.0.0.1", 80, "light", 1, 10),
        Address("127.0.0.2", 80, "heavy", 1, 30),
        Address("127.0.0.3", 80, "reserve", 2, 99),
    ]

    async def find() -> list[Address]:
        return there

    hosts = Hosts("service", 80, sources=[Source(find=find)], clock=clock)
    await hosts.resolve()
    seen = {host.name: share for host, share in (await shares(hosts)).items() if host}
    assert set(seen) == {"light", "heavy"}
    assert 20 < seen["light"] < 30
    tried = [host for host in {await hosts.pick([]) for _ in range(100)} if host]
    reserve = await hosts.pick(tried)
    assert reserve is not None
    assert reserve.name == "reserve"


async def test_a_get_whose_connection_is_reset_is_answered_elsewhere_and_a_post_is_503() -> None:
    async def script(db: Connection) -> None:
        await db.request()
        db.reset()

    dying, living = Host("127.0.0.1"), Host("127.0.0.2")
    dying.under_way = living.under_way = 0
    async with (
        peer(script, [dying, living]) as (ending, upstream),
        Peer(serve_ok).running("127.0.0.2", ending.port) as other,
    ):
        dying.under_way = -1
        answer = await ask(upstream, "POST", body=b"{}")
        assert (answer.status, answer.code) == (503, "unavailable")
        assert answer.header("retry-after") == "1"
        assert (len(ending.requests), len(other.requests)) == (1, 0)
        assert (await ask(upstream)).status == 200
        assert len(other.requests) == 1


async def test_several_urls_are_one_service() -> None:
    async with Peer(serve_ok).running() as one, Peer(serve_ok).running() as two:
        upstream = HttpUpstream(f"{one.url},{two.url}")
        await upstream.open()
        try:
            for _ in range(40):
                assert (await ask(upstream, "POST")).status == 200
        finally:
            await upstream.close()
        assert len(one.requests) + len(two.requests) == 40
        assert one.requests
        assert two.requests
