"""Who owns a data directory, and where the owner's servers listen.

The owner holds an flock on `<data_dir>/servers.lock` and writes its pid and URLs into the file. The
kernel drops the lock whenever the owner ends. The contents are valid only while the lock is held.
"""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from runtime.embedded.errors import EmbeddedError

LOCK_NAME = "servers.lock"
CLUSTER_FOLDER = "cluster"  # a cluster's data, apart from those of a single machine
LOCK_PATIENCE_S = 0.5  # longer than a reader's probe and the end of a killed owner take


@dataclass(frozen=True)
class ServerUrls:
    """Where the servers listen. Empty for a server that was not requested.

    `nats_url` and `control` are a cluster's: its control is the socket at which it can be asked to fail
    over (runtime.topology.control).
    """

    database_url: str = ""
    redis_url: str = ""
    nats_url: str = ""
    control: str = ""


class Ownership:
    """The right to run servers on one data directory, from `take` to `release`."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._fd: int | None = None

    def take(self) -> None:
        """Raises EmbeddedError, which names the other process, if it is taken."""
        path = self._data_dir / LOCK_NAME
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise EmbeddedError(
                f"{path} cannot be written ({error.strerror}): run as its owner,"
                " or choose another data directory."
            ) from error
        give_up = time.monotonic() + LOCK_PATIENCE_S
        while not _try_lock(fd, fcntl.LOCK_EX):
            if time.monotonic() > give_up:
                pid = _read(fd).get("pid", "unknown")
                os.close(fd)
                raise EmbeddedError(
                    f"Another stampede (pid {pid}) uses {self._data_dir}: stop it,"
                    " or choose another data directory."
                )
            time.sleep(0.02)
        self._fd = fd
        self._write({"pid": os.getpid()})

    def publish(self, urls: ServerUrls) -> None:
        """Lets `running_urls` find the servers."""
        self._write({"pid": os.getpid(), **asdict(urls)})

    def give_file_to(self, uid: int, gid: int) -> None:
        """Lets the servers' account start them later without root."""
        assert self._fd is not None
        os.fchown(self._fd, uid, gid)

    def release(self) -> None:
        """Idempotent. The file stays: if it were deleted, two owners could lock two files."""
        if self._fd is not None:
            self._write({})
            os.close(self._fd)
            self._fd = None

    def _write(self, facts: dict[str, object]) -> None:
        assert self._fd is not None
        text = json.dumps(facts).encode()
        os.pwrite(self._fd, text, 0)
        os.ftruncate(self._fd, len(text))


def running_urls(data_dir: Path) -> ServerUrls | None:
    """URLs of the servers that a living process runs on `data_dir`. None if there is none.

    Also None while that process is still starting them.
    """
    try:
        fd = os.open(data_dir / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if _try_lock(fd, fcntl.LOCK_SH):
            return None
        facts = _read(fd)
    finally:
        os.close(fd)
    if "redis_url" not in facts:
        return None
    return ServerUrls(
        **{field.name: str(facts.get(field.name, "")) for field in fields(ServerUrls)}
    )


def has_cluster(data_dir: Path) -> bool:
    """True if these data were made by a cluster."""
    return (data_dir / CLUSTER_FOLDER).is_dir()


def owner_pid(data_dir: Path) -> int | None:
    """The process that runs servers on `data_dir`. None if there is none."""
    try:
        fd = os.open(data_dir / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        pid = None if _try_lock(fd, fcntl.LOCK_SH) else _read(fd).get("pid")
    finally:
        os.close(fd)
    return pid if isinstance(pid, int) else None


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(fd: int) -> dict[str, object]:
    try:
        facts = json.loads(os.pread(fd, 4096, 0))
    except ValueError:  # empty, or read between write and truncate
        return {}
    return facts if isinstance(facts, dict) else {}
