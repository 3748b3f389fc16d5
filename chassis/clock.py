"""This process's clock. It decides nothing: PostgreSQL's now() decides.

A process asks the database for the time now and then, and counts on with the monotonic clock. So a wrong
system clock shifts early refusals by at most the round trip of the last query.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The clock that use cases read. Tests pass one that they set."""

    def now(self) -> datetime:
        """The time in UTC, with its zone."""
        ...


class MachineClock(Protocol):
    """How old something is in this process, and when a token ends. The module `time` is one; tests pass
    one that they set."""

    def time(self) -> float:
        """Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, never back."""
        ...


class DatabaseClock:
    """PostgreSQL's time, continued by the monotonic clock since it was last set."""

    def __init__(self) -> None:
        self._then = datetime.now(UTC)
        self._at = time.monotonic()

    def set(self, database_now: datetime) -> None:
        self._then = database_now
        self._at = time.monotonic()

    def now(self) -> datetime:
        return self._then + timedelta(seconds=time.monotonic() - self._at)


def rfc3339(moment: datetime) -> str:
    """`2026-08-15T11:30:00Z`: UTC, whole seconds (API.md)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def whole_second(moment: datetime) -> datetime:
    """Times in answers have whole seconds (API.md)."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.replace(microsecond=0) if moment.microsecond else moment


def second(moment: datetime | None) -> datetime | None:
    return whole_second(moment) if moment is not None else None
