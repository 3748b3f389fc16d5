"""Long answers under way: how many, and how many bytes, one address may leave unread.

A long answer goes out in pieces, and the next piece only when the web server has room for it. So what
a client does not take stays where it is, in one copy for all of them, and costs this process a few
pieces; whoever takes none for a while is cut (see gateway.http.exchange). A short answer is handed over
whole and counts as taken.
"""

from chassis.problems import Overloaded, RateLimited
from chassis.settings import Settings
from gateway.metrics import LONG_ANSWERS, SHED

ANSWERS_MAX = (
    512  # of one process; 150 KiB each when nobody takes anything, and an upstream's connection
)


class Unread:
    """What is under way, by address (as limits count it)."""

    def __init__(self, settings: Settings, *, answers_max: int = ANSWERS_MAX) -> None:
        self.timeout_s = float(settings.unread_timeout_s)
        self._answers_max = answers_max
        self._answers_per_address = settings.unread_answers_per_ip
        self._bytes_per_address = settings.unread_bytes_per_ip
        self._answers = 0
        self._by_address: dict[str, list[int]] = {}  # answers, bytes

    def begin(self, address: str, size: int) -> "LongAnswer":
        """Raises RateLimited when this address leaves too much unread, Overloaded when all do.

        `size` is what is known of it; an answer of unknown length counts as one, without bytes. One
        answer alone may be of any size.
        """
        mine = self._by_address.get(address)
        if mine is not None and (
            mine[0] >= self._answers_per_address or mine[1] + size > self._bytes_per_address
        ):
            raise RateLimited(
                "Take the answers that are under way first.", headers={"Retry-After": "1"}
            )
        if self._answers >= self._answers_max:
            SHED.labels("unread").inc()
            raise Overloaded("Too many long answers are under way.")
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
    """One of them. `end()` it once."""

    __slots__ = ("_address", "_left", "_unread")

    def __init__(self, unread: Unread, address: str, size: int) -> None:
        self._unread, self._address, self._left = unread, address, size

    @property
    def timeout_s(self) -> float:
        return self._unread.timeout_s

    def taken(self, size: int) -> None:
        """The server has taken so many bytes of it."""
        known = min(size, self._left)
        self._left -= known
        self._unread.taken(self._address, known)

    def end(self) -> None:
        self._unread.end(self._address, self._left)
