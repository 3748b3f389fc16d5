"""A server's log stays within its bound while the server writes to it."""

import os
from pathlib import Path

from runtime.embedded.log_files import keep_bounded, open_log


def test_a_log_that_is_too_long_is_put_aside_while_its_server_writes_on(tmp_path: Path) -> None:
    path = tmp_path / "postgres.log"
    with open_log(path, None) as log:
        for number in range(1_000):
            os.write(log.fileno(), b"%05d %s\n" % (number, b"x" * 93))
            keep_bounded(path, 20_000)
            assert path.stat().st_size <= 20_000
    older, current = (one.read_bytes() for one in (tmp_path / "postgres.log.1", path))
    assert len(older) <= 20_100
    numbers = [int(line[:5]) for line in (older + current).splitlines()]
    assert numbers == list(range(numbers[0], 1_000))


def test_a_log_is_emptied_though_there_is_no_room_for_its_older_lines(tmp_path: Path) -> None:
    path = tmp_path / "valkey.log"
    path.write_bytes(b"x" * 100)
    (tmp_path / "valkey.log.1").symlink_to("/dev/full")
    keep_bounded(path, 50)
    assert path.read_bytes() == b""
    assert not (tmp_path / "valkey.log.1").is_symlink()


def test_a_log_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    keep_bounded(tmp_path / "nats-1.log")
