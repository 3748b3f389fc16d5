"""The socket at which a running topology does what it is asked to, and its other end.

    {"do": "failover", "name": "valkey", "force": false}      ─▶
    ◀─ {"say": "valkey-1 (pid 17) killed."} … {"end": true, "refused": ""}

One line of JSON each. Only who may enter the socket's folder can ask: the user who runs the platform.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from runtime.embedded import EmbeddedError

REQUEST_TIMEOUT_S = 1.0
REQUEST_MAX_BYTES = 4096
ANSWER_TIMEOUT_S = 180.0  # between two lines; an old primary may have to be copied anew


class Request(msgspec.Struct, frozen=True):
    """`do`: failover (of `name`; `planned`: in order, without a kill), restart or status."""

    do: str
    name: str = ""
    force: bool = False
    planned: bool = False


class Part(msgspec.Struct, frozen=True):
    """A process of the topology. `port` 0: a Unix socket or none. `pid` 0: it is down."""

    name: str
    role: str
    pid: int
    port: int = 0


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line. The last one has `end`; `refused` says why nothing, or not all, was done."""

    say: str = ""
    parts: list[Part] = []
    end: bool = False
    refused: str = ""


class Refused(Exception):
    """What was asked for cannot be done; one sentence."""


# Yields a reply, or None to be continued at the next tick. Raises Refused or EmbeddedError.
Job = Iterator[Reply | None]


class Control:
    """Does one job at a time, a step with each `poll`, which never waits for a client longer than
    REQUEST_TIMEOUT_S. A job goes on though its client has left: what was killed must come back."""

    def __init__(self, begin: Callable[[Request], Job]) -> None:
        self._begin = begin
        self._listener: socket.socket | None = None
        self._job: Job | None = None
        self._client: socket.socket | None = None

    def listen(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.setblocking(False)

    def poll(self) -> None:
        if self._listener is None:
            return
        with suppress(BlockingIOError, OSError):
            client, _ = self._listener.accept()
            self._take(client)
        if self._job is not None and _step(self._job, self._client):
            self._close()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._close()

    def _take(self, client: socket.socket) -> None:
        client.settimeout(REQUEST_TIMEOUT_S)
        try:
            request = msgspec.json.decode(_line(client), type=Request)
        except (OSError, msgspec.MsgspecError):
            client.close()
            return
        if request.do == "status":
            with client:
                _step(self._begin(request), client)
        elif self._job is not None:
            with client:
                _send(
                    client, Reply(end=True, refused="Another failover is under way: wait for it.")
                )
        else:
            self._job, self._client = self._begin(request), client

    def _close(self) -> None:
        self._job = None
        if self._client is not None:
            self._client.close()
            self._client = None


def ask(path: str, request: Request) -> Iterator[Reply]:
    """The replies of a running topology as they come. Raises Refused when it refuses or is not there."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.settimeout(ANSWER_TIMEOUT_S)
            one.connect(path)
            one.sendall(msgspec.json.encode(request) + b"\n")
            with one.makefile("rb") as lines:
                for line in lines:
                    reply = msgspec.json.decode(line, type=Reply)
                    if reply.refused:
                        raise Refused(reply.refused)
                    if reply.end:
                        return
                    yield reply
    except (FileNotFoundError, ConnectionRefusedError):
        raise Refused("The topology is still starting: try again when it is up.") from None
    except OSError as failed:
        raise Refused(f"The topology does not answer ({failed}).") from None
    raise Refused("The topology ended before it was done.")


def _step(job: Job, client: socket.socket | None) -> bool:
    """True if the job has ended."""
    try:
        while (reply := next(job)) is not None:
            _send(client, reply)
    except StopIteration:
        _send(client, Reply(end=True))
    except (Refused, EmbeddedError) as refused:
        _send(client, Reply(end=True, refused=str(refused)))
    else:
        return False
    return True


def _send(client: socket.socket | None, reply: Reply) -> None:
    if client is not None:
        with suppress(OSError):
            client.sendall(msgspec.json.encode(reply) + b"\n")


def _line(client: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"\n") and len(found) < REQUEST_MAX_BYTES:
        more = client.recv(REQUEST_MAX_BYTES)
        if not more:
            break
        found += more
    return found
