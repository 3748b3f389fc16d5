"""The process that draws pages for printer.py. Only it imports what draws them."""

import os
import select
import signal
import sys

import msgspec

from booking.tickets.printing.page import draw_ticket
from booking.tickets.printing.print import Print
from booking.tickets.printing.printer import LENGTH, OK, WRONG, read_exactly

IDLE_S = 60.0
NICENESS = 10  # as in chassis.concurrency.threads: yields to the sale on the same cores


def print_pages() -> None:
    """The main loop of the process, until its input is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which closes our input
    os.nice(NICENESS)
    questions = os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    answers = sys.stdout.buffer
    decoder = msgspec.msgpack.Decoder(Print)
    while select.select([questions], [], [], IDLE_S)[0]:
        try:
            (length,) = LENGTH.unpack(read_exactly(questions, LENGTH.size))
            ticket = decoder.decode(read_exactly(questions, length))
        except EOFError:
            return
        try:
            answer = OK + draw_ticket(ticket)
        except Exception as defect:
            answer = WRONG + repr(defect).encode("utf-8", "replace")
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    print_pages()
