"""What a hostile client found once, end to end: it stays mended in both compositions."""

import asyncio
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import asyncpg
import pytest

from tests.support.api import Api
from tests.support.platform import RunningPlatform

READ_DEADLINE_S = 10.0
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\nContent-Type: application/json\r\n"


async def exchange(base_url: str, request: bytes) -> bytes:
    """The raw answer to raw bytes, until the server closes the connection."""
    address = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        async with asyncio.timeout(READ_DEADLINE_S):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        LOGIN + b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
        LOGIN + b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"F" * 17 + b"\r\n{}\r\n",
        LOGIN + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}",
    ],
    ids=["chunks that are none", "a chunk beyond all sizes", "no host"],
)
async def test_what_is_no_request_is_a_400_and_a_problem(api: Api, request_bytes: bytes) -> None:
    answer = await exchange(api.base_url, request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b'"code":"bad-request"' in answer


@pytest.mark.usefixtures("session")
async def test_a_query_in_plain_utf8_finds_what_an_encoded_one_finds(api: Api) -> None:
    """As curl sends it when nobody quotes the address for it."""
    totals = []
    for city in ("上海".encode(), quote("上海").encode("ascii")):
        target = b"/api/v1/shows?page_size=1&city=" + city
        head = b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = await exchange(api.base_url, head)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        totals.append(int(answer.rpartition(b'"total":')[2].rstrip(b"}")))
    assert totals[0] == totals[1] > 0


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 200_000 + b"\r\n\r\n", b"431"),
    ],
    ids=["no request line", "no header line", "headers beyond the parser", "a header beyond it"],
)
async def test_the_parser_refuses_what_it_cannot_read_and_closes(
    api: Api, request_bytes: bytes, status: bytes
) -> None:
    """Before there is a request: no id, no document (ADR 40)."""
    answer = await exchange(api.base_url, request_bytes)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status), answer
    assert body == b""


@pytest.mark.parametrize(
    "extra",
    [b"A: b\r\n" * 70, b"A: " + b"b" * 20_000 + b"\r\n"],
    ids=["more headers than are taken", "longer ones"],
)
async def test_within_the_parsers_limits_a_refusal_is_a_problem(api: Api, extra: bytes) -> None:
    head = b"GET /api/v1/shows HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    answer = await exchange(api.base_url, head + extra + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 "), answer
    assert b'"code":"headers-too-large"' in answer
    assert b"x-request-id: " in answer.lower()


async def test_the_eleventh_wrong_promo_code_is_refused_from_whatever_address_it_says(
    api: Api, platform: RunningPlatform, session: dict[str, Any]
) -> None:
    """Misses are of the address that the gateway saw, not of one that the client wrote."""
    guesser = await api.register()
    place = {"session_id": session["session_id"], "seats": [1]}

    async def guess(number: int) -> int:
        body = place | {"promo_code": f"WRONG-{number}"}
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        answer = await api.post("/orders", body, token=guesser.token, headers=headers)
        assert answer.code == ("promo-code-unknown" if number < 10 else "rate-limited"), answer
        return answer.status

    assert [await guess(number) for number in range(11)] == [422] * 10 + [429]
    database = await asyncpg.connect(platform.environ["STAMPEDE_DATABASE_URL"])
    try:
        found = await database.fetch(
            "SELECT DISTINCT address FROM booking.promo_misses WHERE user_id = $1",
            UUID(guesser.user_id),
        )
    finally:
        await database.close()
    assert [row["address"] for row in found] == ["127.0.0.1"]
