"""One deadline for many: all have the same length, so one timer watches the oldest.

A timer of its own for each request costs as much as the rest of its bookkeeping, and nearly none ever rings.
"""

import asyncio
from types import TracebackType
from typing import Protocol


class Late(Protocol):
    def late(self) -> None:
        """Called once, if the deadline comes before `drop`."""


class Deadlines:
    """`add(one)`, and `drop(one)` in time. `within()` does both round a block. Of one event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[Late, float] = {}  # the oldest first
        self._timer: asyncio.TimerHandle | None = None

    def add(self, one: Late) -> None:
        loop = asyncio.get_running_loop()
        due = self._due[one] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._look)

    def drop(self, one: Late) -> None:
        """Nothing happens if it is late already, or was dropped."""
        self._due.pop(one, None)

    def within(self) -> "Limit":
        """A block that raises TimeoutError if it takes longer: `with deadlines.within() as limit`."""
        return Limit(self)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._due:
            oldest = next(iter(self._due))
            due = self._due[oldest]
            if due > now:
                self._timer = loop.call_at(due, self._look)
                return
            del self._due[oldest]
            oldest.late()


class Limit:
    """As asyncio.timeout(): cancels what the task waits for. `lift()`: it may take as long as it likes."""

    __slots__ = ("_cancelling", "_deadlines", "_is_late", "_task")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._is_late = False
        task = asyncio.current_task()
        assert task is not None, "a deadline needs a task"
        self._task = task
        self._cancelling = task.cancelling()

    def late(self) -> None:
        self._is_late = True
        self._task.cancel()

    def lift(self) -> None:
        self._deadlines.drop(self)

    def __enter__(self) -> "Limit":
        self._deadlines.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _failure: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._deadlines.drop(self)
        if (
            self._is_late
            and self._task.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError
