"""Slow work in pure Python, done by a separate process that is asked question by question.

A thread would hold the interpreter's lock for most of its time and delay everything else in this process.
The process starts with the first question and receives them over its standard input. It ends when that is
closed, also because this process died, after a minute without a question, or when an answer takes two. Its
main loop is in answering.py.

Frames: four bytes of length, little-endian, and the body. An answer's body begins with OK or WRONG.
"""

import os
import select
import struct
import subprocess
import sys
import threading
import time
from typing import IO

from chassis.observability import logs
from chassis.problems import Unavailable

START_S = 15.0  # more for the first answer: starts Python and imports, on a busy machine
TRIES = 2
OK, WRONG = b"\x00", b"\x01"
LENGTH = struct.Struct("<I")

Process = subprocess.Popen[bytes]

log = logs.get("chassis")


class SlowProcess:
    """`ask(question)` → the answer; blocks, so call it in a thread, one at a time. Close it after use.

    program: the module that calls answering.answer_questions.  answer_s: after this it counts as hanging
    and is killed.  busy: what callers are told then.
    """

    def __init__(self, program: str, *, answer_s: float, busy: str) -> None:
        self._program = program
        self._answer_s = answer_s
        self._busy = busy
        self._process: Process | None = None
        self._lock = threading.RLock()
        self._closed = False

    def ask(self, question: bytes) -> bytes:
        """Retries with a new process if the old one has died. Raises Unavailable."""
        for _ in range(TRIES):
            process, patience_s = self._running()
            try:
                answer = _ask(process, question, patience_s)
            except TimeoutError:
                log.error("slow_process_hangs", program=self._program)
                self._end()
                break
            except (
                OSError,
                EOFError,
                ValueError,
            ) as gone:  # ValueError: the pipe was closed meanwhile
                log.info("slow_process_gone", program=self._program, reason=repr(gone))
                self._end()
                continue
            if answer[:1] != OK:
                raise RuntimeError(f"{self._program}: {answer[1:].decode()}")
            return answer[1:]
        raise Unavailable(self._busy)

    def close(self) -> None:
        """Ends the process; waiting callers get Unavailable."""
        self._closed = True
        self._end()

    def _running(self) -> tuple[Process, float]:
        with self._lock:
            if self._closed:
                raise Unavailable()
            if self._process is not None and self._process.poll() is None:
                return self._process, self._answer_s
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
            assert self._process.stdin is not None
            os.set_blocking(self._process.stdin.fileno(), False)  # one that hangs reads nothing
            return self._process, START_S + self._answer_s

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


def _ask(process: Process, question: bytes, patience_s: float) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    until_s = time.monotonic() + patience_s
    _write(process.stdin, LENGTH.pack(len(question)) + question, until_s)
    (length,) = LENGTH.unpack(read_exactly(process.stdout, LENGTH.size, until_s))
    return read_exactly(process.stdout, length, until_s)


def _write(pipe: IO[bytes], body: bytes, until_s: float) -> None:
    """A question may be larger than the pipe's buffer. Raises TimeoutError."""
    rest = memoryview(body)
    while rest:
        if not select.select([], [pipe], [], max(0.0, until_s - time.monotonic()))[1]:
            raise TimeoutError("not read in time")
        rest = rest[pipe.write(rest) or 0 :]


def read_exactly(pipe: IO[bytes], size: int, until_s: float | None = None) -> bytes:
    """Reads exactly `size` bytes. Raises EOFError, TimeoutError."""
    parts = []
    while size:
        if until_s is not None:
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not select.select([pipe], [], [], left_s)[0]:
                raise TimeoutError("no answer in time")
        part = pipe.read(size)
        if not part:
            raise EOFError("the pipe is closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
