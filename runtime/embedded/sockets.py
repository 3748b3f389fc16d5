"""A short, private folder for the unix sockets.

The path of a unix socket may have at most 107 bytes (103 on macOS), and a data directory may be nested
deeply.
"""

import hashlib
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from runtime.embedded.account import Account, make_folder
from runtime.embedded.errors import EmbeddedError

SOCKET_PATH_MAX_BYTES = 100
LONGEST_NAME = ".s.PGSQL.5432"
PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")  # needs no quoting in a URL or a server setting


def make_socket_dir(data_dir: Path, account: Account | None) -> Path:
    """The folder for this data directory's sockets. It is ours, mode 0700.

    Its name is derived from the data directory's, so a restart finds the files of the last run. A folder
    of another user is left alone: anybody may write to /tmp.
    """
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    base = _base_dir()
    folder = base / f"stampede-{digest}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_ours(folder, account):
        folder = Path(tempfile.mkdtemp(prefix=f"stampede-{digest}-", dir=base))
    make_folder(folder, account)
    return folder


def _base_dir() -> Path:
    for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108  the folder in it is private
        longest = Path(base) / f"stampede-{'x' * 12}-{'x' * 8}" / LONGEST_NAME
        short = len(os.fsencode(longest)) <= SOCKET_PATH_MAX_BYTES
        if short and PLAIN.fullmatch(base) and os.access(base, os.W_OK | os.X_OK):
            return Path(base)
    raise EmbeddedError(
        "No folder for temporary files is short and writable: set TMPDIR to one"
        " with a plain path of at most 60 letters."
    )


def _is_ours(folder: Path, account: Account | None) -> bool:
    status = folder.lstat()
    owners = {os.geteuid()} | ({account.uid} if account else set())
    return stat.S_ISDIR(status.st_mode) and status.st_uid in owners
