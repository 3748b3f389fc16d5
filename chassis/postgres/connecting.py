"""Connections to the server that accepts writes, and that never cancel a commit (docs/adr/0053).

A commit that waits for a synchronous standby and is cancelled has happened on this server and perhaps on no
other. PostgreSQL then says success, with a warning. So a connection whose statement takes too long is
dropped and asks for nothing: the server goes on waiting, and shows nobody the rows before the standby has
them. A commit that somebody else has cancelled is marked.
"""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

CONNECT_TIMEOUT_S = 10.0
HEAD_START_S = 0.3  # without an answer for so long, the next server is asked too
# A peer that acknowledges nothing for about 4 s is gone: probes after 2 s, then every second.
KEEPALIVE = {"TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 4_000}
SYNC_WAIT = "SyncRepWaitForLSN"  # PostgreSQL's routine that waits for standbys

if TYPE_CHECKING:  # generic for the type checker only
    Driver = asyncpg.Connection[asyncpg.Record]
    Attempt = asyncio.Task[asyncpg.Connection[asyncpg.Record]]
else:
    Driver = asyncpg.Connection
    Attempt = asyncio.Task


class FirmConnection(Driver):
    """A connection that drops itself where asyncpg would ask the server to cancel.

    `unreplicated` is true once the server has said that it stopped waiting for a standby: what was
    committed then may be lost in a failover.
    """

    __slots__ = ("unreplicated",)

    def __init__(self, protocol: Any, transport: Any, *args: Any) -> None:
        super().__init__(protocol, transport, *args)
        self.unreplicated = False
        notice_a_dead_peer(transport.get_extra_info("socket"))

    def _cancel_current_command(self, waiter: Any, cancel_waiter: Any = None) -> None:
        """asyncpg calls this for a timeout and for a cancelled task, and goes on with its own state."""
        self._loop.call_soon(self.terminate)  # type: ignore[attr-defined]

    def _process_log_message(self, fields: dict[str, str], last_query: str) -> None:
        """asyncpg calls this for each notice, before it answers the statement."""
        if fields.get("R") == SYNC_WAIT:
            self.unreplicated = True
        super()._process_log_message(fields, last_query)  # type: ignore[misc]


class NoPrimary(asyncpg.TargetServerAttributeNotMatched):
    """None of the servers accepts writes. The message is one sentence that says what to do."""


class Servers:
    """The servers of a URL. `connect` finds the one that fits, at first where it was last."""

    def __init__(self, database_url: str) -> None:
        self._servers = list(servers_of(database_url))
        self._wanted = wanted_server(database_url)

    async def connect(self, **options: Any) -> FirmConnection:
        """Like asyncpg.connect. Does not wait for a server that does not answer while another does.

        Raises what is most telling of the reasons, all of them in chassis.postgres.pool.UNAVAILABLE or
        a mistake in the URL.
        """
        options.setdefault("timeout", CONNECT_TIMEOUT_S)
        options.setdefault("connection_class", FirmConnection)
        attempts: dict[Attempt, str] = {}
        found: Attempt | None = None
        left = list(self._servers)  # in this order, whatever others find meanwhile
        try:
            while left:
                server = left.pop(0)
                attempt = asyncio.ensure_future(
                    asyncpg.connect(server, target_session_attrs=self._wanted, **options)
                )
                attempts[attempt] = server
                found = await _first(list(attempts), HEAD_START_S if left else None)
                if found is not None:
                    self._servers.remove(attempts[found])
                    self._servers.insert(0, attempts[found])
                    return found.result()  # type: ignore[return-value]
        finally:
            await _let_go([attempt for attempt in attempts if attempt is not found])
        reason = _most_telling([attempt.exception() for attempt in attempts])
        if isinstance(reason, asyncpg.TargetServerAttributeNotMatched):
            raise NoPrimary(self._sentence()) from reason
        raise reason

    def _sentence(self) -> str:
        if len(self._servers) > 1:
            return (
                "None of the PostgreSQL servers accepts writes: promote one, or name the primary."
            )
        return "The PostgreSQL server is a standby: name its primary, or both."


def servers_of(database_url: str) -> Iterator[str]:
    """A URL for each server that the URL names."""
    parts = urlsplit(database_url)
    credentials, at, servers = parts.netloc.rpartition("@")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if servers:
        for server in servers.split(","):
            yield urlunsplit(parts._replace(netloc=f"{credentials}{at}{server}"))
        return
    hosts = query.get("host", "").split(",")
    ports = query.get("port", "").split(",")
    for number, host in enumerate(hosts):
        port = ports[number if len(ports) == len(hosts) else 0]
        given = {"host": host, "port": port}
        mine = query | {name: value for name, value in given.items() if value}
        encoded = urlencode(mine, safe="/", quote_via=quote)
        # urlunsplit would leave out the slashes of an empty host
        yield f"{parts.scheme}://{parts.netloc}{parts.path}?{encoded}" if mine else database_url


def wanted_server(database_url: str) -> SessionAttribute | None:
    """`target_session_attrs` for asyncpg: a server that accepts writes, unless the URL says otherwise."""
    said = dict(parse_qsl(urlsplit(database_url).query))
    return None if "target_session_attrs" in said else SessionAttribute.read_write


def notice_a_dead_peer(sock: socket.socket) -> None:
    """A machine that is gone closes nothing. Without this a statement would wait for its own time limit, on
    one connection after another. Does nothing to a unix socket, or where the system has no such options."""
    if sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if option := getattr(socket, name, None):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


async def _first(attempts: Sequence[Attempt], within_s: float | None) -> Attempt | None:
    """The first that connects within the time. None if none does, or all have failed."""
    give_up = None if within_s is None else asyncio.get_running_loop().time() + within_s
    while True:
        for attempt in attempts:
            if attempt.done() and attempt.exception() is None:
                return attempt
        waiting = [attempt for attempt in attempts if not attempt.done()]
        left_s = None if give_up is None else give_up - asyncio.get_running_loop().time()
        if not waiting or (left_s is not None and left_s <= 0):
            return None
        await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)


async def _let_go(attempts: Sequence[Attempt]) -> None:
    for attempt in attempts:
        attempt.cancel()
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(outcome, asyncpg.Connection):  # a second one that fits
            outcome.terminate()


def _most_telling(reasons: Sequence[BaseException | None]) -> BaseException:
    """What a server said, else why one could not be reached, else that none of them is the right one."""

    def rank(reason: BaseException) -> int:
        if isinstance(reason, asyncpg.PostgresError):
            return 0
        return 2 if isinstance(reason, asyncpg.TargetServerAttributeNotMatched) else 1

    return min((reason for reason in reasons if reason is not None), key=rank)
