"""A buyer's connection: what it reads of an answer, and what it does about a connection that is gone."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from loadtest.line import Line, Reply, address_of, request_of

SOLD_OUT = b'{"status":409,"code":"sold-out"}'


def answer(status: str, body: bytes = b"", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def saying(*connections: list[list[bytes]]) -> Iterator[tuple[str, int]]:
    """A server: of each connection, to each request, these pieces; then it is closed."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answers in connections:
            peer, _ = server.accept()
            with peer:
                for pieces in answers:
                    if not peer.recv(65_536):
                        break
                    for piece in pieces:
                        peer.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[:2]
    finally:
        thread.join(5)
        server.close()


def asked(address: tuple[str, int], times: int = 1) -> list[Reply]:
    line = Line(address, timeout_s=5)
    try:
        return [line.ask(request_of("GET", "/", {"Host": "x"})) for _ in range(times)]
    finally:
        line.close()


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (answer("201 Created", b'{"order_id":"abc","x":1}'), Reply(201, order_id="abc")),
        (answer("200 OK", b'{"status":"paid"}'), Reply(200)),
        (answer("409 Conflict", SOLD_OUT), Reply(409, "sold-out")),
        (answer("503 -", b'{"code":"overloaded"}', "retry-after: 7\r\n"), Reply(503, "overloaded", 7)),
        (
            b"HTTP/1.1 409 -\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{\"code\":\"gone\"}  \r\n0\r\n\r\n",
            Reply(409, "gone"),
        ),
        (b"nonsense\r\n\r\n", Reply()),
    ],
)  # fmt: skip
def test_what_a_buyer_reads_of_an_answer(said: bytes, read: Reply) -> None:
    with saying([[said]]) as address:
        assert asked(address) == [read]


def test_an_answer_in_pieces_is_read_to_its_end_and_the_next_is_another() -> None:
    whole = answer("409 Conflict", SOLD_OUT)
    with saying([[whole[:5], whole[5:40], whole[40:]], [answer("200 OK", b"{}")]]) as address:
        assert asked(address, 2) == [Reply(409, "sold-out"), Reply(200)]


def test_a_connection_that_was_closed_meanwhile_is_opened_again_once() -> None:
    with saying([[answer("200 OK")]], [[answer("409 Conflict", SOLD_OUT)]]) as address:
        assert asked(address, 2) == [Reply(200), Reply(409, "sold-out")]


def test_a_first_connection_that_is_cut_is_no_answer() -> None:
    with saying([[]]) as address:
        assert asked(address) == [Reply()]


def test_a_body_is_announced() -> None:
    wire = request_of("POST", "/orders", {"Host": "x"}, b"{}")
    assert wire.startswith(b"POST /orders HTTP/1.1\r\nHost: x\r\n")
    assert wire.endswith(b"Content-Length: 2\r\n\r\n{}")
    assert address_of("http://127.0.0.1:8000") == ("127.0.0.1", 8000)
