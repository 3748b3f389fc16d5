"""Log files stay within their bound, whoever else writes to them or moves them, and cost no request."""

import fcntl
import os
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.observability import logs
from chassis.observability.log_files import (
    FILES_OF_A_SERVICE,
    LOCK,
    PIECE_MAX_BYTES,
    LogFile,
    pieces,
)

LINE = b"%08d " + b"x" * 90 + b"\n"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    yield
    logs.configure(None, log_format="text", console=False)


def numbers_in(directory: Path) -> list[int]:
    """The number of every line, in whichever file; each line is whole."""
    text = b"".join(path.read_bytes() for path in directory.glob("booking.log*"))
    assert all(re.fullmatch(rb"\d{8} x{90}", line) for line in text.splitlines())
    return sorted(int(line[:8]) for line in text.splitlines())


def test_a_service_keeps_its_newest_lines_within_its_bound(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "booking.log", max_bytes=80_000)
    for number in range(0, 5_000, 10):
        file.write([LINE % n for n in range(number, number + 10)])
    kept = numbers_in(tmp_path)
    assert kept == list(range(5_000 - len(kept), 5_000))
    assert 60_000 < len(kept) * len(LINE % 0) <= 80_000
    found = sorted(path.name for path in tmp_path.glob("booking.log*"))
    older = [f"booking.log.{number}" for number in range(1, FILES_OF_A_SERVICE)]
    assert found == ["booking.log", *older]


def test_writers_that_share_a_file_lose_no_line_while_it_rotates(tmp_path: Path) -> None:
    def write(first: int) -> None:
        file = LogFile(tmp_path / "booking.log", max_bytes=320_000)
        barrier.wait()
        for number in range(first, first + 500, 5):
            file.write([LINE % n for n in range(number, number + 5)])

    barrier = threading.Barrier(4)
    writers = [threading.Thread(target=write, args=(500 * n,)) for n in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert numbers_in(tmp_path) == list(range(2_000))
    assert (tmp_path / "booking.log.2").exists()


def test_a_writer_waits_for_a_rotation_under_way_and_does_not_rotate_again(tmp_path: Path) -> None:
    path = tmp_path / "booking.log"
    path.write_bytes(LINE % 1)
    writer = threading.Thread(
        target=lambda: LogFile(path, max_bytes=8 * 150).write([LINE % 2]), daemon=True
    )
    with (tmp_path / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        path.rename(tmp_path / "booking.log.1")
    writer.join()
    assert path.read_bytes() == LINE % 2
    assert (tmp_path / "booking.log.1").read_bytes() == LINE % 1
    assert not (tmp_path / "booking.log.2").exists()


@pytest.mark.parametrize("created", [False, True])
def test_a_file_that_logrotate_moved_away_is_left_for_a_new_one(
    tmp_path: Path, *, created: bool
) -> None:
    file = LogFile(tmp_path / "booking.log", max_bytes=80_000)
    file.write([LINE % 1])
    (tmp_path / "booking.log").rename(tmp_path / "booking.log-20260114")
    if created:
        (tmp_path / "booking.log").touch()
    file.write([LINE % 2])
    assert (tmp_path / "booking.log").read_bytes() == LINE % 2


def test_a_file_that_copytruncate_emptied_begins_anew(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "booking.log", max_bytes=80_000)
    file.write([LINE % 1])
    os.truncate(tmp_path / "booking.log", 0)
    file.write([LINE % 2])
    assert (tmp_path / "booking.log").read_bytes() == LINE % 2


def test_lines_that_a_full_disk_takes_not_are_counted_and_told_of_later(tmp_path: Path) -> None:
    (tmp_path / "booking.log").symlink_to("/dev/full")
    logs.configure(tmp_path, log_format="text", console=False)
    log = logs.get("booking")
    for _ in range(3):
        log.info("lost")
    logs.flush()
    assert logs.dropped() == 3
    (tmp_path / "booking.log").unlink()
    log.info("written")
    logs.flush()
    told, written = (tmp_path / "booking.log").read_text().splitlines()
    assert " booking  [-] log_lines_dropped count=3 level=warning span=0" in told
    assert " written " in written
    assert logs.dropped() == 3


def test_a_console_that_is_full_takes_nothing_from_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        logs.configure(tmp_path, log_format="text")
        logs.get("booking").info("written")
        logs.flush()
        assert " written " in (tmp_path / "booking.log").read_text()
        assert logs.dropped() == 0
        logs.configure(None, log_format="text")
        logs.get("booking").info("lost")
        logs.flush()
        assert logs.dropped() == 1


def test_a_line_that_was_cut_by_a_full_disk_is_ended_before_the_next(tmp_path: Path) -> None:
    """In a process of its own, which may write files of 150 bytes only, then of any size."""
    program = f"""
import resource
from pathlib import Path
from chassis.observability.log_files import LogFile
file = LogFile(Path({str(tmp_path / "booking.log")!r}), max_bytes=1_000_000)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))
try:
    file.write([b"a" * 99 + b"\\n", b"b" * 99 + b"\\n"])
except OSError:
    pass
else:
    raise SystemExit("it took everything")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
file.write([b"c" * 99 + b"\\n"])
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    subprocess.run([sys.executable, "-c", program], check=True)
    lines = (tmp_path / "booking.log").read_text().splitlines()
    assert lines == ["a" * 99, "b" * 50, "c" * 99]


def test_lines_travel_to_a_console_in_pieces_that_a_pipe_takes_whole() -> None:
    lines = [LINE % n for n in range(100)]
    found = list(pieces(lines))
    assert b"".join(found) == b"".join(lines)
    assert max(map(len, found)) <= PIECE_MAX_BYTES
    assert len(found) == 3
    assert all(piece.endswith(b"\n") for piece in found)


@pytest.mark.parametrize("log_format", ["text", "json", "otel"])
def test_text_that_is_no_unicode_costs_no_other_line(tmp_path: Path, log_format: str) -> None:
    logs.configure(tmp_path, log_format=log_format, console=False)
    log = logs.get("booking")
    log.info("seen", value="\ud800half", number=2**70)
    log.info("next")
    logs.flush()
    first, second = (tmp_path / "booking.log").read_text("utf-8").splitlines()
    assert "ud800" in first
    assert str(2**70) in first
    assert "next" in second
    assert logs.dropped() == 0
