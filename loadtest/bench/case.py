"""A case of the bench."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal

import msgspec

from loadtest.bench.generators.traffic import Traffic
from loadtest.bench.programs.programs import Stack

if TYPE_CHECKING:
    from loadtest.bench.figures import Figures

Where = Literal["platform", "services apart", "bare_asgi", "bare_echo"]
Prepare = Callable[[Stack, float], Awaitable[Traffic]]
Measure = Callable[["Case", Stack, float, int], Awaitable["Figures"]]


class Case(msgspec.Struct, frozen=True):
    """`counts` names what the figure counts: refusals, accepted, held durably, paid, or ticketed.
    `counted`: the answers that count (call, status); if empty, all expected answers."""

    name: str
    where: Where
    prepare: Prepare  # gets the seconds of traffic to make room for
    counts: str
    counted: tuple[tuple[str, str], ...] = ()
    writes: bool = False  # leaves an outbox that must be drained
    measure: Measure | None = (
        None  # its own way to send, given seconds and connections; None: a closed loop
    )
