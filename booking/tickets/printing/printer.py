"""Has pages drawn by a separate process (drawing.py).

A page takes 80 ms of pure Python (measured in a thread: reading a ticket took 79 ms at the 99th percentile
instead of 1.4). The process takes about 80 MiB.
"""

import msgspec

from booking.tickets.printing.print import Print
from chassis.concurrency.processes import SlowProcess

ANSWER_S = 5.0  # a page takes 80 ms; after this it counts as hanging
PROGRAM = "booking.tickets.printing.drawing"


class PagePrinter:
    """`draw(ticket)` → the PDF; blocks, so call it in a thread, one at a time. Close it after use."""

    def __init__(self, *, answer_s: float = ANSWER_S) -> None:
        busy = "The ticket could not be drawn; try again."
        self._process = SlowProcess(PROGRAM, answer_s=answer_s, busy=busy)

    def draw(self, ticket: Print) -> bytes:
        """Raises Unavailable."""
        return self._process.ask(msgspec.msgpack.encode(ticket))

    def close(self) -> None:
        """Ends the process; waiting requests get Unavailable."""
        self._process.close()
