"""Clocks that a test sets (chassis.clock.MachineClock)."""

import time


class MonotonicClock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def move_on(self, seconds: float) -> None:
        self.now += seconds

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class SetClock:
    """The machine's clock, shifted by what the test sets."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def time(self) -> float:
        return time.time() + self.ahead_s

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s
