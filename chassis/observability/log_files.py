"""Where finished log lines go: the console, and one file a service, bounded on disk.

All processes of a machine append to the same file, `booking.log`. Each batch is one `write` with O_APPEND, so
lines of two processes never mix. Before it writes, a process looks which file bears the name now: another
process, or logrotate, may have moved it away, and then it opens the new one. A file that has reached its size
becomes `booking.log.1`, `.1` becomes `.2`, and the last one goes. A lock lets one process at a time do this.

What cannot be written (a full disk, a closed console) is dropped and counted, and the next line that can be
written is preceded by one that says how many were lost.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

FILES_OF_A_SERVICE = 8  # the current one and seven older
LOCK = ".rotation"
# A pipe takes so much at once (PIPE_BUF): lines of several processes on one console stay whole.
PIECE_MAX_BYTES = 4096


class Console:
    """Standard output, past its buffer: what it could not take must not come later."""

    def __init__(self, stream: TextIO) -> None:
        stream.flush()
        self._fd = stream.fileno()

    def write(self, lines: Sequence[bytes]) -> None:
        """Raises OSError if it is closed or full."""
        for piece in pieces(lines):
            while piece:
                piece = piece[os.write(self._fd, piece) :]  # noqa: PLW2901  the rest


class LogFile:
    """The file of one service. `max_bytes`: of it and its predecessors, give or take a batch."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path = path
        self._size_max = max(1, max_bytes // FILES_OF_A_SERVICE)
        self._fd = -1
        self._torn = False  # the disk was full in the middle of a line

    def write(self, lines: Sequence[bytes]) -> None:
        """Raises OSError if nothing, or not everything, could be written."""
        batch = b"".join(lines)
        size = self._open()
        if size and size + len(batch) > self._size_max:
            self._rotate(len(batch))
            self._open()
        data = b"\n" + batch if self._torn else batch
        while data:
            count = os.write(self._fd, data)
            self._torn = data[count - 1 : count] != b"\n"
            data = data[count:]

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        """Opens what bears the name now. Returns its size."""
        if self._fd >= 0:
            mine = os.fstat(self._fd)
            with suppress(FileNotFoundError):
                named = self._path.stat()
                if (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino):
                    return mine.st_size
            self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o644)
        return os.fstat(self._fd).st_size

    def _rotate(self, more: int) -> None:
        """Unless another process has done it meanwhile."""
        with _locked(self._path.with_name(LOCK)):
            if self._open() + more <= self._size_max:
                return
            for number in range(FILES_OF_A_SERVICE - 1, 1, -1):
                with suppress(FileNotFoundError):
                    self._older(number - 1).replace(self._older(number))
            self._path.replace(self._older(1))

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class Outputs:
    """Writes batches of (service, line). `dropped`: lines that could not be written to a file or, without
    files, to the console. `say_lost(count)` makes the line that tells of them."""

    def __init__(
        self,
        directory: Path | None,
        console: TextIO | None,
        *,
        max_bytes: int,
        say_lost: Callable[[str, int], str],
    ) -> None:
        self._directory, self._max_bytes = directory, max_bytes
        self._console = Console(console) if console is not None else None
        self._files: dict[str, LogFile] = {}
        self._say_lost = say_lost
        self._lost: dict[str, int] = {}
        self.dropped = 0
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)

    def write(self, lines: Sequence[tuple[str, str]]) -> None:
        """Never raises OSError."""
        by_service: dict[str, list[bytes]] = {}
        for service, line in lines:
            by_service.setdefault(service, []).append(encoded(line))
        if self._console is not None and lines:
            self._write_console([encoded(line) for _, line in lines], by_service)
        if self._directory is not None:
            for service, batch in by_service.items():
                self._write(service, batch, self._file(service).write)

    def lose(self, service: str, count: int) -> None:
        self.dropped += count
        self._lost[service] = self._lost.get(service, 0) + count

    def _write_console(self, lines: list[bytes], by_service: dict[str, list[bytes]]) -> None:
        assert self._console is not None
        if self._directory is not None:  # where the files are, they are what counts
            with suppress(OSError):
                self._console.write(lines)
            return
        for service, batch in by_service.items():
            self._write(service, batch, self._console.write)

    def _write(
        self, service: str, batch: list[bytes], write: Callable[[Sequence[bytes]], None]
    ) -> None:
        lost = self._lost.get(service, 0)
        told = [encoded(self._say_lost(service, lost))] if lost else []
        try:
            write([*told, *batch])
        except OSError:
            self.lose(service, len(batch))
        else:
            if lost:
                self._lost[service] -= lost

    def _file(self, service: str) -> LogFile:
        if service not in self._files:
            assert self._directory is not None
            path = self._directory / f"{service}.log"
            self._files[service] = LogFile(path, max_bytes=self._max_bytes)
        return self._files[service]


def encoded(line: str) -> bytes:
    return line.encode("utf-8", "backslashreplace")  # half a surrogate pair must not cost a batch


def pieces(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Whole lines, at most PIECE_MAX_BYTES together unless one is longer."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > PIECE_MAX_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield b"".join(piece)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)  # the kernel releases it if this process dies
        yield
    finally:
        os.close(fd)
