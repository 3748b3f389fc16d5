"""The open-loop generator: `python -m …open_loop FOLDER URL FIRST SECONDS CONNECTIONS RATE`.

Sends RATE requests per second, each when it is due, whatever the answers do. If every connection is busy,
a request waits for the next one, and its latency counts from when it was due. So a server that stalls for
a second also pays for the requests that came meanwhile. Reads the same plan as the other generators and
prints the same line, with latencies by call and status.
"""

import asyncio
import time
from collections import deque
from typing import Any

from loadtest.bench.generators.requests import Requests, Sent
from loadtest.bench.generators.tally import Asked, Hearing, content_length, main

TICK_S = 0.002
LAST_ANSWERS_S = 10.0  # after the window, for the last answers
OPENING_S = 30.0
OPEN_CONCURRENCY = 128


class Pace:
    """One run: what was sent when, and the answers."""

    def __init__(self, requests: Requests, rate: float, seconds: float) -> None:
        self.requests = requests
        self.rate = rate
        self.seconds = seconds
        self.sent = self.under_way = 0
        self.free: list[Line] = []
        self.overdue: deque[float] = deque()  # due times of requests that wait for a connection
        self.hearing = Hearing(requests)

    async def run(self, host: str, port: int, connections: int) -> float:
        """Opens the connections, sends for the window, and waits for the answers. Returns how long it
        sent."""
        await self._open(host, port, connections)
        began = time.perf_counter()
        while (passed_s := time.perf_counter() - began) < self.seconds:
            for number in range(self.sent, int(passed_s * self.rate)):
                self._send_one(began + number / self.rate)
            await asyncio.sleep(TICK_S)
        sending_s = time.perf_counter() - began
        deadline = began + self.seconds + LAST_ANSWERS_S
        while time.perf_counter() < deadline:
            if not (self.under_way or self.overdue):
                break
            await asyncio.sleep(TICK_S)
        self.hearing.errors += self.under_way + len(self.overdue)
        return sending_s

    async def _open(self, host: str, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(OPENING_S):
            for start in range(0, connections, OPEN_CONCURRENCY):
                some = range(start, min(connections, start + OPEN_CONCURRENCY))
                await asyncio.gather(
                    *(loop.create_connection(lambda: Line(self), host, port) for _ in some)
                )

    def _send_one(self, due: float) -> None:
        self.sent += 1
        if self.free:
            self.free.pop().ask(due)
        else:
            self.overdue.append(due)


class Line(asyncio.Protocol):
    """A keep-alive connection: one request at a time."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._sent: Sent | None = None
        self._due = 0.0
        self._heard = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._pace.free.append(self)

    def ask(self, due: float) -> None:
        self._sent, self._due = self._pace.requests.next(), due
        self._pace.under_way += 1
        self._transport.write(self._sent.wire)

    def data_received(self, data: bytes) -> None:
        self._heard = self._heard + data if self._heard else data
        head_end = self._heard.find(b"\r\n\r\n") + 4
        if head_end < 4 or self._sent is None:
            return
        end = head_end + content_length(self._heard[:head_end].lower())
        if len(self._heard) < end:
            return
        status, body = int(self._heard[9:12]), self._heard[head_end:end]
        self._heard = b""
        sent, self._sent = self._sent, None
        self._pace.under_way -= 1
        latency_ms = (time.perf_counter() - self._due) * 1000
        self._pace.hearing.hear(sent, status, body, latency_ms, by_status=True)
        if self._pace.overdue:
            self.ask(self._pace.overdue.popleft())
        else:
            self._pace.free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._sent is not None:
            self._sent = None
            self._pace.under_way -= 1
            self._pace.hearing.errors += 1
        elif self in self._pace.free:
            self._pace.free.remove(self)


async def run(asked: Asked) -> str:
    """Runs, and returns the line that the other generators would print."""
    pace = Pace(asked.requests, asked.number, asked.seconds)
    sending_s = await pace.run(asked.host, asked.port, asked.connections)
    return pace.hearing.line(sending_s)


if __name__ == "__main__":
    main(run)
