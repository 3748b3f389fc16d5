"""What a hostile client found once, end to end: it stays mended in both compositions."""

import asyncio
from urllib.parse import quote, urlsplit

import pytest

from tests.support.api import Api

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
