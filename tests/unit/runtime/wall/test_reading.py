"""What is read from the files of several processes is what prometheus_client would add up."""

import fcntl
import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from runtime.wall.figures import ORDERS
from runtime.wall.reading import FilesReader

ANSWERS = "stampede_gateway_answers_total"


class Process:
    """The files of one process, as prometheus_client writes them."""

    def __init__(self, directory: Path, pid: int, stack: ExitStack) -> None:
        self._directory, self._pid, self._stack = directory, pid, stack
        self._files: dict[str, MmapedDict] = {}
        self._alive = (directory / f"{pid}.alive").open("wb")
        fcntl.flock(self._alive, fcntl.LOCK_EX)
        stack.callback(self._alive.close)

    def write(self, kind: str, name: str, value: float, at: float = 1.0, **labels: str) -> None:
        if kind not in self._files:
            path = self._directory / f"{kind}_{self._pid}.db"
            file = MmapedDict(str(path))  # type: ignore[no-untyped-call]
            self._stack.callback(file.close)
            self._files[kind] = file
        key = mmap_key(name, name, list(labels), list(labels.values()), "help")
        self._files[kind].write_value(key, value, at)  # type: ignore[no-untyped-call]

    def answers(self, count: float, status_class: str = "2xx", route: str = ORDERS) -> None:
        labels = {"route": route, "method": "POST", "caller": "customer"}
        self.write("counter", ANSWERS, count, status_class=status_class, **labels)

    def die(self) -> None:
        self._alive.close()


@contextmanager
def processes(directory: Path, count: int) -> Iterator[list[Process]]:
    with ExitStack() as stack:
        yield [Process(directory, os.getpid() + n, stack) for n in range(count)]


def test_counters_of_all_processes_add_up(tmp_path: Path) -> None:
    reader = FilesReader(tmp_path)
    with processes(tmp_path, 2) as (one, other):
        one.answers(5)
        one.answers(2, "5xx")
        other.answers(7)
        other.answers(100, route="/api/v1/shows")
        found = reader.read()
        assert found.counters == {"arrivals": 114, "failed": 2, "orders": 12}
        assert found.processes == 2
        one.answers(6)
        one.write("counter", "stampede_gateway_shed_total", 3, lane="booking")  # a new name
        found = reader.read()
        assert found.counters == {"arrivals": 115, "failed": 2, "orders": 13, "shed": 3}


def test_counters_of_a_dead_process_stay_and_its_gauges_go(tmp_path: Path) -> None:
    with processes(tmp_path, 2) as (one, other):
        for each in (one, other):
            each.answers(5)
            each.write("gauge_livesum", "stampede_gateway_waiting", 4)
        assert FilesReader(tmp_path).read().sums == {"waiting": 8}
        other.die()
        found = FilesReader(tmp_path).read()
        assert found.counters["arrivals"] == 10
        assert found.sums == {"waiting": 4}
        assert found.processes == 1


def test_of_a_leaders_gauge_the_last_word_counts_and_not_a_number_says_nothing(
    tmp_path: Path,
) -> None:
    now = time.time()
    gauge = ("gauge_livemostrecent", "stampede_outbox_depth_rows")
    with processes(tmp_path, 2) as (one, other):
        one.write(*gauge, 9, now - 5, source="booking")
        other.write(*gauge, 3, now, source="booking")
        one.write(*gauge, math.nan, now, source="identity")
        assert FilesReader(tmp_path).read().gauges == {"outbox": {"booking": 3}}


@pytest.mark.parametrize(
    ("route", "counted"), [(ORDERS, ["answers", "orders"]), ("/x", ["answers"])]
)
def test_answers_are_counted_by_their_duration(
    tmp_path: Path, route: str, counted: list[str]
) -> None:
    name = "stampede_gateway_answer_seconds_bucket"
    with processes(tmp_path, 1) as (one,):
        for bound, count in (("0.005", 3), ("10.0", 1), ("+Inf", 2)):
            one.write("histogram", name, count, route=route, method="POST", le=bound)
        found = FilesReader(tmp_path).read().buckets
    assert list(found) == counted
    assert all(one == [3, *[0] * 10, 1, 2] for one in found.values())


def test_an_empty_file_of_a_process_that_begins_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "counter_1.db").touch()
    assert FilesReader(tmp_path).read().counters == {}
