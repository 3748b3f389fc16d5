"""What the clients were told: every sale, every refusal, and every acknowledgement, also in a file."""

import time
from pathlib import Path
from typing import IO

import msgspec


class Ordered(msgspec.Struct, frozen=True, tag="ordered"):
    """A 201: the seats are this order's until it expires."""

    order_id: str
    session: int
    seats: list[int]


class Paid(msgspec.Struct, frozen=True, tag="paid"):
    """A 200: the tickets are theirs."""

    order_id: str
    session: int
    seats: list[int]


def read_record(path: Path) -> tuple[list[Ordered], list[Paid]]:
    """The acknowledgements of an earlier run, by its file."""
    lines = path.read_bytes().splitlines()
    told = [msgspec.json.decode(line, type=Ordered | Paid) for line in lines]
    return (
        [one for one in told if isinstance(one, Ordered)],
        [one for one in told if isinstance(one, Paid)],
    )


class Sale(msgspec.Struct, frozen=True):
    at: float
    session: int


class Failure(msgspec.Struct, frozen=True):
    """A request that was not served. `code`: `503 unavailable`, or `no answer`."""

    at: float
    session: int
    code: str


class Record:
    """Times are time.monotonic(). An acknowledgement is in the file before the client goes on."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("ab", buffering=0)
        self.ordered: list[Ordered] = []
        self.paid: list[Paid] = []
        self.sales: list[Sale] = []
        self.failures: list[Failure] = []
        self.requests = 0

    def take(self, told: Ordered | Paid) -> None:
        self._file.write(msgspec.json.encode(told) + b"\n")
        if isinstance(told, Paid):
            self.paid.append(told)
            self.sales.append(Sale(time.monotonic(), told.session))
        else:
            self.ordered.append(told)

    def failed(self, session: int, code: str) -> None:
        self.failures.append(Failure(time.monotonic(), session, code))

    def close(self) -> None:
        self._file.close()
