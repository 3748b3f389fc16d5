"""The built-in generator: `python -m loadtest.bench.builtin FOLDER URL FIRST SECONDS CONNECTIONS COUNT`.

A few hundred lines of nothing but sockets, for machines without wrk. Closed loop: each connection
sends its next request when it has read the last answer. Ends after SECONDS, or when COUNT requests
(0: any number) have been answered. Reads the same plan as crowd.lua and prints the same line.
"""

import asyncio
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import uvloop

from loadtest.bench.requests import Requests, Sent

ANSWER_TIMEOUT_S = 10.0
HEAD_MAX_BYTES = 65_536
BODY_MAX_BYTES = 16 * 1_048_576


class Run:
    """One run: what is left to send, and what was heard."""

    def __init__(self, requests: Requests, seconds: float, count: int) -> None:
        self.requests = requests
        self.count = count
        self.sent = 0
        self.ends_at = time.perf_counter() + seconds
        self.counts: Counter[str] = Counter()
        self.buckets: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.errors = 0

    def over(self) -> bool:
        return time.perf_counter() >= self.ends_at or 0 < self.count <= self.sent

    async def connection(self, host: str, port: int) -> None:
        """Sends and reads until the run is over; connects anew when it was cut off."""
        while not self.over():
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    reader, writer = await asyncio.open_connection(host, port, limit=HEAD_MAX_BYTES)
            except OSError:
                self.errors += 1
                return
            try:
                while not self.over():
                    await self._exchange(reader, writer)
            except (OSError, EOFError, asyncio.LimitOverrunError, ValueError):
                self.errors += 1
            finally:
                writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sent += 1
        sent = self.requests.next()
        began = time.perf_counter()
        writer.write(sent.wire)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            status, body = await read_answer(reader)
        self._hear(sent, status, body, (time.perf_counter() - began) * 1000)

    def _hear(self, sent: Sent, status: int, body: bytes, latency_ms: float) -> None:
        name = sent.call.name
        self.counts[f"{name}\t{status}"] += 1
        self.buckets[f"{name}\t{int(latency_ms * 10)}"] += 1
        self.latencies.append(latency_ms)
        problem = self.requests.judge(sent, status, body)
        if problem:
            self.wrong[problem] += 1


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of one HTTP/1.1 answer. Raises EOFError when cut off, ValueError on nonsense."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lowered = head.lower()
    if status in {204, 304}:
        return status, b""
    if b"\r\ntransfer-encoding: chunked" in lowered:
        return status, await _read_chunks(reader)
    _, found, rest = lowered.partition(b"\r\ncontent-length:")
    length = int(rest.split(b"\r\n", 1)[0]) if found else 0
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


def percentile(ordered: list[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


async def run(
    folder: Path, url: str, first: int, *, seconds: float, connections: int, count: int
) -> str:
    """Runs and returns the line that crowd.lua would print."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    this = Run(Requests(folder, first, f"{parts.hostname}:{parts.port}"), seconds, count)
    began = time.perf_counter()
    await asyncio.gather(*(this.connection(parts.hostname, parts.port) for _ in range(connections)))
    ordered = sorted(this.latencies)
    heard = {
        "seconds": time.perf_counter() - began,
        "next": this.requests.number,
        "counts": this.counts,
        "buckets": this.buckets,
        "wrong": this.wrong,
        "errors": this.errors,
        "latency_us": [percentile(ordered, p) * 1000 for p in (50, 95, 99, 100)],
    }
    return "HEARD " + msgspec.json.encode(heard).decode()


def main() -> None:
    directory, base, start, duration, wide, most = sys.argv[1:]
    running = run(
        Path(directory),
        base,
        int(start),
        seconds=float(duration),
        connections=int(wide),
        count=int(most),
    )
    print(uvloop.run(running))


if __name__ == "__main__":
    main()
