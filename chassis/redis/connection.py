"""A connection to one Redis server: bytes out, parsed answers in."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import hiredis

from chassis.redis.servers import Address, Credentials
from chassis.redis.slots import Call


class Refused(Exception):
    """An error that Redis answered; hiredis makes these."""


class Connection(asyncio.Protocol):
    """Answers to `ask` are its own, all others are `arrived`'s.

    arrived, lost: who gets each other answer, and hears that the connection has ended by itself.
    """

    def __init__(
        self,
        address: Address,
        arrived: Callable[[Any], None],
        lost: Callable[["Connection"], None],
    ) -> None:
        self.address = address
        self._arrived = arrived
        self._lost = lost
        self._reader = hiredis.Reader(replyError=Refused)
        self._transport: asyncio.Transport | None = None
        self._asked: asyncio.Future[Any] | None = None
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    async def ask(self, *call: Any) -> Any:
        """One command before all others. Raises Refused."""
        self._asked = asyncio.get_running_loop().create_future()
        self.write(hiredis.pack_command(call))
        return await self._asked

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
            while self._transport is not None and (answer := reader.gets()) is not False:
                if self._asked is None:
                    self._arrived(answer)
                else:
                    self._take_own(answer)
        except hiredis.ProtocolError:
            self.abort()
            self._lost(self)

    def _take_own(self, answer: Any) -> None:
        asked, self._asked = self._asked, None
        if asked is None or asked.done():
            return
        if isinstance(answer, Refused):
            asked.set_exception(answer)
        else:
            asked.set_result(answer)

    def abort(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.closed.set()
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(ConnectionResetError("the connection was lost"))
        self._lost(self)


async def open_connection(
    address: Address,
    credentials: Credentials,
    tls: ssl.SSLContext | None,
    *,
    arrived: Callable[[Any], None],
    lost: Callable[[Connection], None],
) -> Connection:
    """Connected, logged in, on its database. Raises OSError or Refused."""
    loop = asyncio.get_running_loop()
    if address.port:
        _, opened = await loop.create_connection(
            lambda: Connection(address, arrived, lost), address.host, address.port, ssl=tls
        )
    else:
        _, opened = await loop.create_unix_connection(
            lambda: Connection(address, arrived, lost), address.host
        )
    try:
        for call in _greeting(credentials):
            await opened.ask(*call)
    except BaseException:
        opened.abort()
        raise
    return opened


@contextlib.asynccontextmanager
async def passing_connection(
    address: Address, credentials: Credentials, tls: ssl.SSLContext | None
) -> AsyncIterator[Connection]:
    """For a few questions by `ask`. Raises OSError or Refused."""
    connection = await open_connection(address, credentials, tls, arrived=_ignore, lost=_ignore)
    try:
        yield connection
    finally:
        connection.abort()


def _ignore(_: Any) -> None:
    pass


def _greeting(credentials: Credentials) -> list[Call]:
    calls: list[Call] = []
    if credentials.password:
        user = credentials.username
        calls.append(
            ("AUTH", user, credentials.password) if user else ("AUTH", credentials.password)
        )
    if credentials.database:
        calls.append(("SELECT", credentials.database))
    return calls
