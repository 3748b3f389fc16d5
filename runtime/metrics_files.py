"""Where the processes of one supervisor count together, for as long as it runs."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "stampede-metrics-"
# In memory: a page of a file on a busy disk can make whoever counts wait for its journal.
MEMORY = Path("/dev/shm")  # noqa: S108  mkdtemp makes the names
NEW_S = 60.0


@contextmanager
def metrics_root() -> Iterator[Path]:
    """An empty directory of this process, removed at its end. Removes those of processes that were
    killed."""
    parent = MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    _remove_abandoned(parent)
    root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    held = os.open(root, os.O_RDONLY)
    try:
        # The kernel releases it when this process ends, however it does.
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
        os.close(held)


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else's, or just removed
            held = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                found = os.fstat(held)
                is_new = found.st_mtime > time.time() - NEW_S  # its maker is about to lock it
                if found.st_uid == os.getuid() and not is_new:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(held)
