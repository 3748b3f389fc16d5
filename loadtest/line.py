"""One buyer's connection: sends prepared bytes, and reads the few values that a buyer needs.

A client library spends a millisecond per request on features that nobody uses here. For ten thousand
buyers that is ten seconds of the cores that should serve them. Under locust the sockets are gevent's.
"""

import socket
from urllib.parse import urlsplit

import msgspec

READ_BYTES = 65_536
HEAD_MAX_BYTES = 65_536


class Reply(msgspec.Struct, frozen=True):
    """`status` 0: no answer. `code` of a problem. `retry_after_s` is 0.0 if absent."""

    status: int = 0
    code: str = ""
    retry_after_s: float = 0.0
    order_id: str = ""


NO_REPLY = Reply()


class Line:
    """A keep-alive connection to `base_url` (http), opened on first use."""

    def __init__(self, address: tuple[str, int], timeout_s: float, source: str = "") -> None:
        """`source`: the address to connect from, if it matters."""
        self._address = address
        self._source = source
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> Reply:
        """The reply. If the connection was closed meanwhile, the request is sent once more on a new one:
        it has an idempotency key, or only reads."""
        kept = self._socket is not None
        try:
            return self._exchange(request)
        except (OSError, ValueError):
            self.close()
            if not kept:
                return NO_REPLY
        try:
            return self._exchange(request)
        except (OSError, ValueError):
            self.close()
            return NO_REPLY

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes) -> Reply:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._socket.settimeout(self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._source:
                self._socket.bind((self._source, 0))
            self._socket.connect(self._address)
        self._socket.sendall(request)
        heard = self._read(b"")
        while (head_end := heard.find(b"\r\n\r\n")) < 0:
            if len(heard) > HEAD_MAX_BYTES:
                raise ValueError("the answer's head has no end")
            heard = self._read(heard)
        head = heard[:head_end].lower()
        length = _number(head, b"\r\ncontent-length:")
        if length is not None:
            while len(heard) < head_end + 4 + length:
                heard = self._read(heard)
        elif b"\r\ntransfer-encoding: chunked" in head:
            while not heard.endswith(b"0\r\n\r\n"):
                heard = self._read(heard)
        return read_reply(head, heard[head_end + 4 :])

    def _read(self, heard: bytes) -> bytes:
        assert self._socket is not None
        more = self._socket.recv(READ_BYTES)
        if not more:
            raise ConnectionResetError("closed before the answer")
        return heard + more if heard else more


def read_reply(head: bytes, body: bytes) -> Reply:
    """`head` is in lower case. Raises ValueError if it is not HTTP."""
    status = int(head[9:12])
    if status < 400:
        return Reply(status, order_id=_text(body, b'"order_id":"') if status == 201 else "")
    wait = _number(head, b"\r\nretry-after:")
    return Reply(status, _text(body, b'"code":"'), float(wait or 0))


def request_of(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def address_of(base_url: str) -> tuple[str, int]:
    """Resolved once, for all buyers."""
    parts = urlsplit(base_url)
    assert parts.scheme == "http", "the crowd connects without TLS"
    found = socket.getaddrinfo(parts.hostname, parts.port or 80, socket.AF_INET, socket.SOCK_STREAM)
    host, port = found[0][4][:2]
    return str(host), int(port)


def _number(head: bytes, name: bytes) -> int | None:
    _, found, rest = head.partition(name)
    return int(rest.split(b"\r\n", 1)[0]) if found else None


def _text(body: bytes, name: bytes) -> str:
    _, _, rest = body.partition(name)
    return rest.partition(b'"')[0].decode()
