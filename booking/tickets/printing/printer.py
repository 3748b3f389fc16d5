"""Has pages drawn by a separate process (drawing.py).

A page takes 80 ms of pure Python. A thread would hold the interpreter's lock for most of that time and delay
everything else in this process (measured: reading a ticket took 79 ms at the 99th percentile instead of
1.4). The process starts with the first page and receives pages over its standard input. It ends when that is
closed, also because this process died, or after a minute without a page; it takes about 80 MiB.

Frames: four bytes of length, little-endian, and the body. An answer's body begins with OK or WRONG.
"""

import select
import struct
import subprocess
import sys
import threading
import time
from typing import IO

import msgspec

from booking.tickets.printing.print import Print
from chassis.observability import logs
from chassis.problems import Unavailable

START_S = 20.0  # for the first answer: starts Python, imports and loads the font, on a busy machine
ANSWER_S = 5.0  # a page takes 80 ms; after this it counts as hanging
TRIES = 2
PROGRAM = "booking.tickets.printing.drawing"
OK, WRONG = b"\x00", b"\x01"
LENGTH = struct.Struct("<I")

log = logs.get("booking")


class PagePrinter:
    """`draw(ticket)` → the PDF; blocks, so call it in a thread, one at a time. Close it after use."""

    def __init__(self, *, answer_s: float = ANSWER_S) -> None:
        self._answer_s = answer_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()
        self._closed = False

    def draw(self, ticket: Print) -> bytes:
        """Retries with a new process if the old one has died. Raises Unavailable."""
        question = msgspec.msgpack.encode(ticket)
        for _ in range(TRIES):
            process, patience_s = self._running()
            try:
                answer = _ask(process, question, patience_s)
            except TimeoutError:
                log.error("page_not_drawn", ticket=ticket.ticket_id)
                self._end()
                break
            except (
                OSError,
                EOFError,
                ValueError,
            ) as gone:  # ValueError: the pipe was closed meanwhile
                log.info("page_printer_gone", reason=repr(gone))
                self._end()
                continue
            if answer[:1] != OK:
                raise RuntimeError(f"a page could not be drawn: {answer[1:].decode()}")
            return answer[1:]
        raise Unavailable("The ticket could not be drawn; try again.")

    def close(self) -> None:
        """Ends the process; waiting requests get Unavailable."""
        self._closed = True
        self._end()

    def _running(self) -> tuple["subprocess.Popen[bytes]", float]:
        with self._lock:
            if self._closed:
                raise Unavailable()
            if self._process is not None and self._process.poll() is None:
                return self._process, self._answer_s
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, "-m", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
            return self._process, START_S

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _ask(process: "subprocess.Popen[bytes]", question: bytes, patience_s: float) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    until_s = time.monotonic() + patience_s
    process.stdin.write(
        LENGTH.pack(len(question)) + question
    )  # smaller than a pipe's buffer: does not block
    (length,) = LENGTH.unpack(read_exactly(process.stdout, LENGTH.size, until_s))
    return read_exactly(process.stdout, length, until_s)


def read_exactly(pipe: IO[bytes], size: int, until_s: float | None = None) -> bytes:
    """Reads exactly `size` bytes. Raises EOFError, TimeoutError."""
    parts = []
    while size:
        if until_s is not None:
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not select.select([pipe], [], [], left_s)[0]:
                raise TimeoutError("no page in time")
        part = pipe.read(size)
        if not part:
            raise EOFError("the pipe is closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
