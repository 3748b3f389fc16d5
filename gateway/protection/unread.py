"""Bounds on long answers under way: how many, and how many bytes, one address may leave unread.

A long answer is sent in pieces, each when the web server has room. So unread bytes stay in one
shared copy and cost this process only a few pieces. A client that reads nothing for a while is cut
(see gateway.http.exchange). A short answer is handed over whole and counts as read.
"""

from chassis.problems import Overloaded, RateLimited
from chassis.settings import Settings
from gateway.metrics import LONG_ANSWERS, SHED

ANSWERS_MAX = 512  # per process; each costs 150 KiB if nobody reads, and an upstream connection


class Unread:
    """Long answers under way, by address (as limits count it)."""

    def __init__(self, settings: Settings, *, answers_max: int = ANSWERS_MAX) -> None:
        self.timeout_s = float(settings.unread_timeout_s)
        self._answers_max = answers_max
        self._answers_per_address = settings.unread_answers_per_ip
        self._bytes_per_address = settings.unread_bytes_per_ip
        self._answers = 0
        self._by_address: dict[str, list[int]] = {}  # number of answers, bytes

    def begin(self, address: str, size: int) -> "LongAnswer":
        """Raises RateLimited if this address leaves too much unread, Overloaded if all together do.

        `size` is 0 if unknown: such an answer counts as one answer without bytes. A single answer
        may have any size.
        """
        mine = self._by_address.get(address)
        if mine is not None and (
            mine[0] >= self._answers_per_address or mine[1] + size > self._bytes_per_address
        ):
            raise RateLimited(
                "Read the answers that are still open first.", headers={"Retry-After": "1"}
            )
        if self._answers >= self._answers_max:
            SHED.labels("unread").inc()
            raise Overloaded("Too many long answers are open.")
        if mine is None:
            mine = self._by_address[address] = [0, 0]
        mine[0] += 1
        mine[1] += size
        self._answers += 1
        LONG_ANSWERS.inc()
        return LongAnswer(self, address, size)

    def taken(self, address: str, size: int) -> None:
        self._by_address[address][1] -= size

    def end(self, address: str, left: int) -> None:
        self._answers -= 1
        LONG_ANSWERS.dec()
        mine = self._by_address[address]
        mine[0] -= 1
        mine[1] -= left
        if not mine[0]:
            del self._by_address[address]


class LongAnswer:
    """One long answer under way. Call `end()` once."""

    __slots__ = ("_address", "_left", "_unread")

    def __init__(self, unread: Unread, address: str, size: int) -> None:
        self._unread, self._address, self._left = unread, address, size

    @property
    def timeout_s(self) -> float:
        return self._unread.timeout_s

    def taken(self, size: int) -> None:
        """The server has accepted `size` more bytes."""
        known = min(size, self._left)
        self._left -= known
        self._unread.taken(self._address, known)

    def end(self) -> None:
        self._unread.end(self._address, self._left)
