"""Work in a process of its own: given up in time, started again, and never left behind."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from chassis.concurrency.processes import SlowProcess
from chassis.problems import Unavailable
from tests.support.answering import PROGRAM

LARGE = b"x" * 1_000_000  # more than a pipe holds


@contextlib.contextmanager
def asked(answer_s: float = 20) -> Iterator[SlowProcess]:
    process = SlowProcess(PROGRAM, answer_s=answer_s, busy="Try again.")
    with contextlib.closing(process):
        yield process


def running(parent: psutil.Process | None = None) -> list[psutil.Process]:
    children = (parent or psutil.Process()).children()
    return [child for child in children if PROGRAM in child.cmdline()]


def test_one_process_answers_large_questions_one_after_the_other() -> None:
    with asked() as process:
        assert running() == []
        assert [process.ask(LARGE), process.ask(b"")] == [b"1000000", b"0"]
        assert len(running()) == 1
    assert running() == []


def test_a_process_that_reads_no_large_question_is_given_up() -> None:
    with asked(answer_s=0.2) as process:
        process.ask(b"")
        (hangs,) = running()
        hangs.suspend()
        with pytest.raises(Unavailable, match="Try again"):
            process.ask(LARGE)
        assert not hangs.is_running()
        assert process.ask(LARGE) == b"1000000"


def test_what_fails_says_why_and_the_process_goes_on() -> None:
    with asked() as process:
        with pytest.raises(RuntimeError, match="as asked"):
            process.ask(b"fail")
        assert process.ask(b"") == b"0"


def test_the_process_ends_with_a_parent_that_is_killed() -> None:
    ends_after_its_parent("ask_and_rest")


def test_what_ends_the_process_is_tried_once_more() -> None:
    with asked() as process:
        with pytest.raises(Unavailable):
            process.ask(b"end")
        assert process.ask(b"") == b"0"


def test_after_the_close_nothing_is_started() -> None:
    with asked() as process:
        pass
    with pytest.raises(Unavailable):
        process.ask(b"")
    assert running() == []


def test_a_process_that_hangs_ends_although_its_parent_was_killed() -> None:
    ends_after_its_parent("ask_and_hang")


def ends_after_its_parent(what: str) -> None:
    words = f"from tests.support import answering; answering.{what}()"
    with subprocess.Popen([sys.executable, "-c", words]) as parent:
        try:
            while not (found := running(psutil.Process(parent.pid))):
                pass
        finally:
            parent.kill()
    (child,) = found
    child.wait(30)
