"""The built-in generator: `python -m …closed_loop FOLDER URL FIRST SECONDS CONNECTIONS COUNT`.

It uses only sockets, for machines without wrk. Closed loop: each connection sends its next request when
it has read the last answer. Ends after SECONDS, or after COUNT answers (0: no limit). Reads the same plan
as crowd.lua and prints the same line.
"""

import asyncio
import time

from loadtest.bench.generators.tally import Asked, Hearing, content_length, main

ANSWER_TIMEOUT_S = 10.0
HEAD_MAX_BYTES = 65_536
BODY_MAX_BYTES = 16 * 1_048_576


class Run:
    """One run: the requests left, and the answers received."""

    def __init__(self, asked: Asked) -> None:
        self.requests = asked.requests
        self.count = int(asked.number)
        self.sent = 0
        self.ends_at = time.perf_counter() + asked.seconds
        self.hearing = Hearing(asked.requests)

    def over(self) -> bool:
        return time.perf_counter() >= self.ends_at or 0 < self.count <= self.sent

    async def connection(self, host: str, port: int) -> None:
        """Sends and reads until the run ends. Reconnects if it was disconnected."""
        while not self.over():
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    reader, writer = await asyncio.open_connection(host, port, limit=HEAD_MAX_BYTES)
            except OSError:
                self.hearing.errors += 1
                return
            try:
                while not self.over():
                    await self._exchange(reader, writer)
            except (OSError, EOFError, asyncio.LimitOverrunError, ValueError):
                self.hearing.errors += 1
            finally:
                writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sent += 1
        sent = self.requests.next()
        began = time.perf_counter()
        writer.write(sent.wire)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            status, body = await read_answer(reader)
        self.hearing.hear(sent, status, body, (time.perf_counter() - began) * 1000)


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of one HTTP/1.1 answer. Raises EOFError if disconnected, ValueError if
    malformed."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lowered = head.lower()
    if status in {204, 304}:
        return status, b""
    if b"\r\ntransfer-encoding: chunked" in lowered:
        return status, await _read_chunks(reader)
    length = content_length(lowered)
    if not 0 <= length <= BODY_MAX_BYTES:
        raise ValueError("an answer of that length is no answer")
    return status, await reader.readexactly(length)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while True:
        length = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        if length + sum(map(len, parts)) > BODY_MAX_BYTES:
            raise ValueError("an answer of that length is no answer")
        piece = await reader.readexactly(length + 2)
        if length == 0:
            return b"".join(parts)
        parts.append(piece[:-2])


async def run(asked: Asked) -> str:
    """Runs, and returns the line that crowd.lua would print."""
    this = Run(asked)
    began = time.perf_counter()
    lines = (this.connection(asked.host, asked.port) for _ in range(asked.connections))
    await asyncio.gather(*lines)
    return this.hearing.line(time.perf_counter() - began)


if __name__ == "__main__":
    main(run)
