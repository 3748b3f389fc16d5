"""JSON answers in gzip: which, with which headers, and how often the work is done."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from chassis.seam.upstream import Scope, Send
from gateway.http.compression import Compression
from gateway.http.exchange import Exchange
from tests.support.gateway import Rig, answer_json, rig

SESSION = "01890000-0000-7000-8000-000000000000"
SEATS = f"/api/v1/sessions/{SESSION}/seats"
LONG = {"version": 5, "seats": ".h" * 2_000}
GZIP = [("Accept-Encoding", "gzip, br")]


@pytest.fixture
async def edge(redis_url: str) -> AsyncIterator[Rig]:
    async with rig(redis_url) as running:
        yield running


def answers(document: Any, *headers: tuple[bytes, bytes], status: int = 200) -> Any:
    async def respond(_scope: Scope, _body: bytes, send: Send) -> None:
        await answer_json(send, document, status, headers)

    return respond


async def test_a_long_answer_is_packed_for_who_takes_it(edge: Rig) -> None:
    edge.booking.respond = answers(LONG, (b"etag", b'"5"'), (b"vary", b"Authorization"))
    plain = await edge.client.get(SEATS)
    packed = await edge.client.get(SEATS, GZIP)
    assert packed.header("content-encoding") == "gzip"
    assert gzip.decompress(packed.body) == plain.body == msgspec.json.encode(LONG)
    assert len(packed.body) < len(plain.body) // 4
    assert packed.header("content-length") == str(len(packed.body))
    for answer in (plain, packed):
        assert answer.header("vary") == "Authorization, Accept-Encoding"
    # two forms of one answer: a strong tag may not name both
    assert (plain.header("etag"), packed.header("etag")) == ('"5"', 'W/"5"')
    head = await edge.client.call("HEAD", SEATS, GZIP)
    assert (head.status, head.body) == (200, b"")
    assert head.header("content-length") == str(len(packed.body))


async def test_a_304_answers_with_the_tag_that_was_asked_about(edge: Rig) -> None:
    edge.booking.respond = answers({}, (b"etag", b'"5"'), status=304)
    for tag in ('"5"', 'W/"5"'):
        answer = await edge.client.get(SEATS, [*GZIP, ("If-None-Match", tag)])
        assert (answer.status, answer.header("etag")) == (304, tag)
        assert answer.header("content-encoding") is None


@pytest.mark.parametrize("coding", ["", "br", "identity", "gzip;q=0"])
async def test_nobody_gets_gzip_who_does_not_take_it(edge: Rig, coding: str) -> None:
    edge.booking.respond = answers(LONG)
    answer = await edge.client.get(SEATS, [("Accept-Encoding", coding)])
    assert answer.header("content-encoding") is None
    assert answer.json == LONG


async def test_secrets_orders_being_placed_and_short_answers_stay_as_they_are(edge: Rig) -> None:
    for service in (edge.identity, *edge.services.values()):
        service.respond = answers(LONG)
    for method, path in (
        ("GET", "/api/v1/auth/me"),
        ("GET", "/api/v1/tickets"),
        ("GET", f"/api/v1/tickets/{SESSION}"),
        ("GET", "/api/v1/webhook-endpoints"),
        ("POST", "/api/v1/orders"),
    ):
        answer = await edge.client.call(method, path, GZIP)
        assert answer.status == 200
        assert answer.header("content-encoding") is None, path
    edge.catalog.respond = answers({"shows": []})
    short = await edge.client.get("/api/v1/shows", GZIP)
    assert short.header("content-encoding") is None
    assert short.header("vary") == "Accept-Encoding"


class Packing:
    """How long what is packed is, at each time."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    async def __call__(self, body: bytes) -> bytes:
        self.lengths.append(len(body))
        await asyncio.sleep(0)  # others come meanwhile, as they do while a thread packs
        return gzip.compress(body)


async def test_a_version_is_packed_once_and_what_is_somebodys_own_is_not_kept(
    redis_url: str,
) -> None:
    packing = Packing()
    packed = packing.lengths
    async with rig(redis_url, compression=Compression(compress=packing)) as edge:
        public = (b"cache-control", b"no-cache")
        for version in (b'"5"', b'"6"'):
            edge.booking.respond = answers(LONG, (b"etag", version), public)
            for _ in range(3):
                assert (await edge.client.get(SEATS, GZIP)).header("content-encoding") == "gzip"
        assert len(packed) == 2
        edge.booking.respond = answers(
            LONG, (b"etag", b'"7"'), (b"cache-control", b"private, no-cache")
        )
        for _ in range(2):
            await edge.client.get(SEATS, GZIP)
        assert len(packed) == 4


def asked(query: bytes = b"") -> Exchange:
    return cast(Exchange, SimpleNamespace(path=SEATS, query=query))


async def test_who_asks_while_a_version_is_packed_waits_for_it() -> None:
    packing = Packing()
    sut = Compression(compress=packing)
    headers = [(b"etag", b'"5"'), (b"cache-control", b"no-cache")]
    every = await asyncio.gather(*(sut.pack(asked(), headers, b"x" * 2_000) for _ in range(20)))
    assert len(packing.lengths) == 1
    assert {body for _, body in every} == {every[0][1]}


async def test_what_is_kept_packed_is_bounded_and_the_longest_unasked_goes_first() -> None:
    body = b"x" * 2_000
    packing = Packing()
    packed = packing.lengths
    sut = Compression(compress=packing, kept_bytes_max=2 * len(gzip.compress(body)))
    headers = [(b"etag", b'"5"'), (b"cache-control", b"no-cache")]
    for query in (b"a", b"b", b"a", b"c"):  # c takes the place of b
        await sut.pack(asked(query), headers, body)
    assert len(packed) == 3
    for query in (b"a", b"c"):
        await sut.pack(asked(query), headers, body)
    assert len(packed) == 3
    await sut.pack(asked(b"b"), headers, body)
    assert len(packed) == 4
