"""What `stampede trace` reads: log files with their rotated and packed predecessors, folders, standard input.

Everything is read in pieces of a bounded size, as often as the search needs it, so a file's length costs time
and no memory.
"""

import gzip
import os
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, cast

PIECE_BYTES = 1 << 20
LINE_MAX_BYTES = 1 << 20  # a longer one is no line of ours
INPUT_MAX_BYTES = 8 << 30  # of standard input, kept in a temporary file while it is searched
STDIN = "-"
# booking.log.1, booking.log.2.gz, booking.log-20260114, booking.log-20260114.gz
_ROTATED = re.compile(r"\.log(?:[.-]\d+(?:[.-]\d+)*)?(?:\.gz)?")


# Logs of the servers beside ours: none of our lines is in them, and others may not be allowed to read them.
_SERVERS = ("postgres", "valkey", "nats", "etcd", "patroni", "haproxy")


class TraceError(Exception):
    """The logs cannot be read. One sentence says why."""


class NothingFound(TraceError):
    """The logs were read, and nothing of what was asked for is in them."""


class Sources:
    """Opened once: a file that is rotated while it is searched stays the same file. Use as a context
    manager. Raises TraceError."""

    def __init__(self, names: Sequence[str | Path], stdin: BinaryIO | None = None) -> None:
        self._names, self._stdin = names, stdin
        self._stack = ExitStack()
        self._files: list[tuple[str, IO[bytes], int | None]] = []

    def __enter__(self) -> "Sources":
        try:
            for path in _paths(self._names):
                self._open(path)
            if STDIN in map(str, self._names):
                self._files.append(("standard input", self._spool(), None))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __len__(self) -> int:
        return len(self._files)

    def find(self, needles: Sequence[bytes]) -> Iterator[tuple[tuple[int, int], bytes]]:
        """Every line that contains one of the needles, with its place: the same in every search."""
        for number, (name, file, size) in enumerate(self._files):
            try:
                file.seek(0)
                for piece, start in _pieces(file, size):
                    if any(needle in piece for needle in needles):
                        for offset, line in _lines(piece):
                            if any(needle in line for needle in needles):
                                yield (number, start + offset), line
            except (OSError, EOFError, zlib.error) as wrong:
                why = wrong.strerror if isinstance(wrong, OSError) else None
                raise TraceError(f"{name} cannot be read ({why or wrong}).") from None

    def _open(self, path: Path) -> None:
        try:
            if path.suffix == ".gz":
                packed = self._stack.enter_context(gzip.GzipFile(path, "rb"))
                self._files.append((str(path), cast("IO[bytes]", packed), None))
            else:
                file = self._stack.enter_context(path.open("rb"))
                # What is written from now on is not searched: each search sees the same.
                self._files.append((str(path), file, os.fstat(file.fileno()).st_size))
        except OSError as wrong:
            raise TraceError(f"{path} cannot be read ({wrong.strerror}).") from None

    def _spool(self) -> IO[bytes]:
        if self._stdin is None:
            raise TraceError("There is no standard input.")
        try:
            spool = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            while piece := self._stdin.read(PIECE_BYTES):
                if spool.tell() + len(piece) > INPUT_MAX_BYTES:
                    raise TraceError("Standard input is too long: let the log store filter it.")
                spool.write(piece)
        except OSError as wrong:
            raise TraceError(f"Standard input cannot be kept ({wrong.strerror}).") from None
        return cast("IO[bytes]", spool)


def newest(names: Sequence[str | Path], service: str, *, most: int) -> list[Path]:
    """The service's log files that were written last, unpacked ones only. Raises TraceError."""
    found = [one for one in _paths(names) if one.name.startswith(service) and one.suffix != ".gz"]
    return sorted(found, key=_written_s, reverse=True)[:most]


def _written_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _paths(names: Sequence[str | Path]) -> list[Path]:
    """Files as named with their rotated predecessors, and every log of the folders. Oldest first."""
    found: dict[Path, None] = {}
    for name in names:
        if str(name) == STDIN:
            continue
        path = Path(name)
        if path.is_dir():
            found |= dict.fromkeys(sorted(one for one in _listed(path) if _is_log(one.name)))
            continue
        if path.suffix != ".gz":
            beside = [one for one in _listed(path.parent) if _follows(one.name, path.name)]
            found |= dict.fromkeys(sorted(beside))
        found[path] = None
    return list(found)


def _listed(folder: Path) -> list[Path]:
    try:
        return [one for one in folder.iterdir() if one.is_file()]
    except OSError as wrong:
        raise TraceError(f"{folder} cannot be read ({wrong.strerror}).") from None


def _is_log(name: str) -> bool:
    start = name.find(".log")
    if name.startswith(_SERVERS):
        return False
    return start > 0 and _ROTATED.fullmatch(name[start:]) is not None


def _follows(name: str, current: str) -> bool:
    rest = name[len(current) :]
    return name.startswith(current) and _ROTATED.fullmatch(".log" + rest) is not None


def _pieces(file: IO[bytes], size: int | None) -> Iterator[tuple[bytes, int]]:
    """Whole lines, about PIECE_BYTES together, with their offset. Lines that are too long are left out."""
    rest, start, left = b"", 0, size
    while True:
        most = PIECE_BYTES if left is None else min(PIECE_BYTES, left)
        read = file.read(most) if most else b""
        if left is not None:
            left -= len(read)
        if not read:
            if rest:
                yield rest, start
            return
        end = read.rfind(b"\n") + 1
        if end:
            yield rest + read[:end], start
            start += len(rest) + end
            rest = read[end:]
        elif len(rest) < LINE_MAX_BYTES:
            rest += read
        else:  # a file without lines
            start += len(rest) + len(read) - 1
            rest = read[-1:]


def _lines(piece: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for line in piece.splitlines(keepends=True):
        if len(line) <= LINE_MAX_BYTES:
            yield offset, line
        offset += len(line)
