"""A monotonic clock that a test sets, for modules that ask `time.monotonic()`."""


class MonotonicClock:
    """Put in the place of a module's `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now
