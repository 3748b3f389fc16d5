"""The log file of a server: its standard output, kept within a bound while it runs.

A server keeps the file open and writes at its end (O_APPEND), whatever its program can do about logs. So the
file is copied and emptied, and the server goes on at its new end, as with logrotate's `copytruncate`. What it
writes between copy and cut is lost, which is a line at most.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from runtime.embedded.account import Account

MAX_BYTES = 10_000_000  # of the current file, and of the older one beside it


def open_log(path: Path, account: Account | None) -> BinaryIO:
    keep_bounded(path)
    log = path.open("ab")
    if account is not None:
        os.fchown(log.fileno(), account.uid, account.gid)
    return log


def keep_bounded(path: Path, max_bytes: int = MAX_BYTES) -> None:
    """Never fails: where there is no room for the older lines, these are given up."""
    with suppress(OSError):
        if path.stat().st_size <= max_bytes:
            return
        older = path.with_name(f"{path.name}.1")
        try:
            shutil.copyfile(path, older)
        except OSError:
            older.unlink(missing_ok=True)
        os.truncate(path, 0)
