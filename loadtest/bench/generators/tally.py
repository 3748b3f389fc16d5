"""What the Python generators share: the command line, the tally of answers, and the output."""

import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvloop

from loadtest.answers import percentile
from loadtest.bench.generators.requests import Requests, Sent

WRONG_MAX = 50  # kinds of wrong answers that are listed; crowd.lua has the same number
OTHERS = "other wrong answers"


class Asked(msgspec.Struct, frozen=True):
    """The command line: FOLDER URL FIRST SECONDS CONNECTIONS, and a number whose meaning each generator
    defines."""

    requests: Requests
    host: str
    port: int
    seconds: float
    connections: int
    number: float


class Hearing:
    """Counts answers. `line` prints them as crowd.lua does."""

    def __init__(self, requests: Requests) -> None:
        self.errors = 0
        self._requests = requests
        self._counts: Counter[str] = Counter()
        self._buckets: Counter[str] = Counter()
        self._wrong: Counter[str] = Counter()
        self._latencies: list[float] = []

    def hear(
        self, sent: Sent, status: int, body: bytes, latency_ms: float, *, by_status: bool = False
    ) -> None:
        """by_status: latencies by call and status instead of by call."""
        name = sent.call.name
        self._counts[f"{name}\t{status}"] += 1
        bucket = f"{name} {status}" if by_status else name
        self._buckets[f"{bucket}\t{int(latency_ms * 10)}"] += 1
        self._latencies.append(latency_ms)
        problem = self._requests.judge(sent, status, body)
        if problem:
            known = problem in self._wrong or len(self._wrong) < WRONG_MAX
            self._wrong[problem if known else OTHERS] += 1

    def line(self, seconds: float) -> str:
        ordered = sorted(self._latencies)
        heard = {
            "seconds": seconds,
            "next": self._requests.number,
            "counts": self._counts,
            "buckets": self._buckets,
            "wrong": self._wrong,
            "errors": self.errors,
            "latency_us": [percentile(ordered, p) * 1000 for p in (50, 95, 99, 100)],
        }
        return "HEARD " + msgspec.json.encode(heard).decode()


def content_length(head: bytes) -> int:
    """From an answer's head in lower case. 0 if it has none."""
    _, found, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


def main(run: Callable[[Asked], Coroutine[Any, Any, str]]) -> None:
    """Runs what the command line asks for, and prints its line."""
    folder, url, first, seconds, connections, number = sys.argv[1:]
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    requests = Requests(Path(folder), int(first), f"{parts.hostname}:{parts.port}")
    asked = Asked(
        requests, parts.hostname, parts.port, float(seconds), int(connections), float(number)
    )
    print(uvloop.run(run(asked)))
