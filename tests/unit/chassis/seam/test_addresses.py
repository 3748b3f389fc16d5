"""Where a service's addresses come from. A real DNS server on loopback answers, changes and falls silent."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chassis.seam.address import Address
from chassis.seam.addresses import sources_of
from chassis.seam.hosts import Hosts
from chassis.seam.upstream import HttpUpstream
from tests.support.dns import DnsServer, dns_server
from tests.support.peer import Connection, Peer
from tests.unit.chassis.seam.test_upstream import OK, ask, serve_ok

NAME = "_booking._tcp.example"
IN_TIME_S = 10.0


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with dns_server() as running:
        yield running


async def found(server: DnsServer, url: str = f"srv://{NAME}") -> list[Address]:
    _, (source,) = sources_of(url, [server.address])
    assert source.find is not None
    return list(await source.find())


def test_an_address_needs_no_resolution() -> None:
    assert sources_of("https://10.0.0.7:8003")[1][0].fixed == (
        Address("10.0.0.7", 8003, "10.0.0.7"),
    )
    scheme, (one, two) = sources_of("http://[::1],http://10.0.0.8:8003")
    assert (scheme, one.find, two.find) == ("http", None, None)
    assert one.fixed == (Address("::1", 80, "::1"),)


async def test_srv_records_say_hosts_ports_priorities_and_weights(server: DnsServer) -> None:
    server.records = {
        (NAME, "SRV"): ["1 10 8103 a.example.", "1 30 8203 b.example.", "2 0 8303 c.example."],
        ("a.example", "A"): ["10.0.0.1"],
        ("b.example", "AAAA"): ["fd00::2"],
        ("c.example", "A"): ["10.0.0.3", "10.0.0.4"],
    }
    assert await found(server) == [
        Address("10.0.0.1", 8103, "a.example", 1, 10),
        Address("fd00::2", 8203, "b.example", 1, 30),
        Address("10.0.0.3", 8303, "c.example", 2, 1),
        Address("10.0.0.4", 8303, "c.example", 2, 1),
    ]


async def test_a_target_without_an_address_is_left_out_and_the_others_stay(
    server: DnsServer,
) -> None:
    server.records = {
        (NAME, "SRV"): ["1 1 80 gone.example.", "1 1 80 a.example."],
        ("a.example", "A"): ["10.0.0.1"],
    }
    assert [one.ip for one in await found(server)] == ["10.0.0.1"]


async def test_a_service_that_says_it_is_not_there_has_no_address(server: DnsServer) -> None:
    server.records = {(NAME, "SRV"): ["0 0 0 ."]}
    assert await found(server) == []


async def test_a_name_that_does_not_exist_is_an_error(server: DnsServer) -> None:
    with pytest.raises(OSError, match=NAME):
        await found(server)


def srv(*peers: Peer) -> dict[tuple[str, str], list[str]]:
    return {
        (NAME, "SRV"): [f"1 1 {one.port} here.example." for one in peers],
        ("here.example", "A"): ["127.0.0.1"],
    }


async def until_called(upstream: HttpUpstream, peer: Peer) -> None:
    async with asyncio.timeout(IN_TIME_S):
        while not peer.requests:
            assert (await ask(upstream)).status == 200
            await asyncio.sleep(0.01)


async def test_a_new_address_is_called_and_a_removed_one_no_more(server: DnsServer) -> None:
    async with Peer(serve_ok).running() as old, Peer(serve_ok).running() as new:
        server.records = srv(old)
        upstream = HttpUpstream(f"srv://{NAME}", dns_servers=[server.address])
        await upstream.open()
        try:
            await until_called(upstream, old)
            server.records = srv(new)
            await until_called(upstream, new)
            before = len(old.requests)
            for _ in range(20):
                assert (await ask(upstream)).status == 200
            assert len(old.requests) == before
        finally:
            await upstream.close()


async def test_an_unanswered_question_keeps_the_addresses_and_no_call_waits_for_it(
    server: DnsServer,
) -> None:
    async with Peer(serve_ok).running() as peer:
        server.records = srv(peer)
        upstream = HttpUpstream(f"srv://{NAME}", dns_servers=[server.address])
        await upstream.open()
        try:
            assert (await ask(upstream)).status == 200
            server.silent = True
            asked = server.queries
            async with asyncio.timeout(IN_TIME_S):
                while server.queries < asked + 2:  # the second one after the first was given up
                    assert (await ask(upstream)).status == 200
                    await asyncio.sleep(0.01)
            server.silent = False
            gone: list[dict[tuple[str, str], list[str]]] = [{}, {(NAME, "SRV"): ["0 0 0 ."]}]
            for server.records in gone:  # the name does not exist; it has no address
                asked = server.queries
                async with asyncio.timeout(IN_TIME_S):
                    while server.queries < asked + 3:  # noqa: ASYNC110  the server rings no bell
                        await asyncio.sleep(0.01)
                assert (await ask(upstream)).status == 200
        finally:
            await upstream.close()


async def test_the_first_call_waits_for_the_first_answer_and_is_503_without_one(
    server: DnsServer,
) -> None:
    upstream = HttpUpstream(f"srv://{NAME}", dns_servers=[server.address])
    await upstream.open()
    try:
        assert (await ask(upstream)).status == 503
    finally:
        await upstream.close()


async def test_a_name_is_resolved_again_in_the_background() -> None:
    rounds = 0
    twice = asyncio.Event()
    _, sources = sources_of("http://localhost:1")
    (source,) = sources
    find = source.find
    assert find is not None

    async def counted() -> list[Address]:
        nonlocal rounds
        rounds += 1
        if rounds == 3:  # so the second one has been taken in
            twice.set()
        return list(await find())

    hosts = Hosts("localhost", 1, sources=[type(source)(find=counted)])
    hosts.open()
    try:
        first = await hosts.pick([])
        assert first is not None
        await asyncio.wait_for(twice.wait(), IN_TIME_S)
        assert await hosts.pick([]) is first  # and what is known of it stays
    finally:
        await hosts.close()


async def test_the_host_header_names_the_target_of_an_srv_record(server: DnsServer) -> None:
    async def script(db: Connection) -> None:
        await db.request()
        await db.say(OK)

    async with Peer(script).running() as peer:
        server.records = srv(peer)
        upstream = HttpUpstream(f"srv://{NAME}", dns_servers=[server.address])
        await upstream.open()
        try:
            assert (await ask(upstream)).status == 200
        finally:
            await upstream.close()
        assert f"Host: here.example:{peer.port}".encode() in peer.requests[0]
