"""A program that tests ask as a SlowProcess: it says how long the question is, or ends, hangs or fails."""

import signal
import sys

from chassis.concurrency.answering import answer_questions
from chassis.concurrency.processes import SlowProcess

PROGRAM = "tests.support.answering"


def answer(question: bytes) -> bytes:
    if question == b"fail":
        raise ValueError("as asked")
    if question == b"end":
        sys.exit()
    if question == b"hang":
        signal.pause()
    return str(len(question)).encode()


def ask_and_hang() -> None:
    """A parent that is killed while its process has a question."""
    SlowProcess(PROGRAM, answer_s=600, busy="").ask(b"hang")


def ask_and_rest() -> None:
    """A parent that is killed while its process has none."""
    SlowProcess(PROGRAM, answer_s=600, busy="").ask(b"")
    signal.pause()


if __name__ == "__main__":
    answer_questions(answer, hangs_s=1)
