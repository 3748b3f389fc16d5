"""The main loop of a process that processes.SlowProcess asks."""

import os
import select
import signal
import sys
from collections.abc import Callable

from chassis.concurrency.processes import LENGTH, OK, WRONG, read_exactly
from chassis.concurrency.threads import NICENESS

IDLE_S = 60.0
HANGS_S = 120  # more than any parent waits for


def answer_questions(answer: Callable[[bytes], bytes], *, hangs_s: int = HANGS_S) -> None:
    """Until the input is closed, or a minute has passed without a question. An answer that takes hangs_s
    ends the process, because the parent that would kill it may have died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which closes our input
    os.nice(NICENESS)
    questions = os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    answers = sys.stdout.buffer
    while select.select([questions], [], [], IDLE_S)[0]:
        try:
            (length,) = LENGTH.unpack(read_exactly(questions, LENGTH.size))
            question = read_exactly(questions, length)
        except EOFError:
            return
        signal.alarm(hangs_s)
        try:
            body = OK + answer(question)
        except Exception as defect:
            body = WRONG + repr(defect).encode("utf-8", "replace")
        signal.alarm(0)
        answers.write(LENGTH.pack(len(body)) + body)
        answers.flush()
