"""Spans as a tracer keeps them, within a test's own process."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chassis.spans import SWITCH, Span, Trace


class Kept:
    """A keeper that shows what it was given."""

    def __init__(self) -> None:
        self.spans: list[tuple[Trace, Span]] = []

    def keep(self, trace: Trace, spans: Sequence[Span]) -> None:
        self.spans += [(trace, span) for span in spans]

    @property
    def names(self) -> list[str]:
        return [span.name for _, span in self.spans]

    def one(self, name: str) -> Span:
        (found,) = [span for _, span in self.spans if span.name == name]
        return found


@contextmanager
def tracing() -> Iterator[Kept]:
    """For a Tracer of this process: no test after it traces."""
    try:
        yield Kept()
    finally:
        SWITCH.on = False
