"""A server on loopback that answers, stalls, cuts or refuses as a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Script = Callable[["Connection"], Awaitable[None]]


class Connection:
    """One accepted connection: reads whole requests, writes what the test says."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self._reader, self._writer = reader, writer

    async def request(self) -> bytes:
        """Head and body of the next request. Raises IncompleteReadError if there is none."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return head + await self._reader.readexactly(length)

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    @property
    def address(self) -> str:
        """The other side's."""
        return str(self._writer.get_extra_info("peername")[0])

    def reset(self) -> None:
        """As the kernel does for a process that was killed."""
        self._writer.transport.abort()

    async def closed_by_the_other_side(self) -> bool:
        return await self._reader.read(1) == b""


class Peer:
    """A server on loopback that runs a script for each connection and records its requests."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.url, self.port = "", 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = Connection(self.connections, reader, writer)
        ask = connection.request

        async def request() -> bytes:
            self.requests.append(await ask())
            return self.requests[-1]

        connection.request = request  # type: ignore[method-assign]
        try:
            await self._script(connection)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator["Peer"]:
        server = await asyncio.start_server(self._serve, host, port)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        try:
            yield self
        finally:
            server.close()
