"""What a case of the bench is."""

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
    """`counts` says in words which of refusals, accepted, held durably, paid and ticketed the figure
    is; `counted` which answers those are (call, status), all that were expected when it is empty.
    """

    name: str
    where: Where
    prepare: Prepare  # given how many seconds of traffic there must be room for
    counts: str
    counted: tuple[tuple[str, str], ...] = ()
    writes: bool = False  # leaves an outbox to be drained
    measure: Measure | None = (
        None  # its own way, given seconds and connections; None: a closed loop
    )
