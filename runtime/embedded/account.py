"""The system user that runs the servers if we are root, and the access that it needs.

PostgreSQL refuses to run as root. For an ordinary user there is no such account (None).
"""

import os
import pwd
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runtime.embedded.errors import EmbeddedError
from runtime.embedded.wheel import ensure_folder_permissions, ensure_user_exists

USER_NAME = "pgserver"  # the wheel's own choice; both servers use one account
READ_AND_RUN = stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int


def choose_account(data_dir: Path) -> Account | None:
    """The account that runs the servers. None: our own user.

    As root: the owner of the data (created earlier without root, or in a user's own folder), otherwise a
    system user created for it, otherwise `nobody`.
    """
    if os.geteuid() != 0:
        return None
    for path in (data_dir / "postgres", data_dir):
        with suppress(FileNotFoundError, KeyError):  # KeyError: a uid without a name
            if uid := path.stat().st_uid:
                return _account(pwd.getpwuid(uid))
    try:
        entry = ensure_user_exists(USER_NAME)
    except (OSError, subprocess.CalledProcessError):  # no useradd here, or /etc is read-only
        entry = None
    try:
        return _account(entry or pwd.getpwnam("nobody"))
    except KeyError as error:
        raise EmbeddedError(
            f"PostgreSQL does not run as root: create a user {USER_NAME!r}, or run as an ordinary one."
        ) from error


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def make_folder(path: Path, account: Account | None) -> None:
    """A private folder (0700) that belongs to the account. Existing contents keep their owners."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if account is not None:
            os.chown(path, account.uid, account.gid)
        path.chmod(0o700)
    except OSError as error:
        raise EmbeddedError(
            f"{path} cannot be used ({error.strerror}): run as its owner,"
            " or choose another data directory."
        ) from error


def let_reach(path: Path, account: Account | None) -> None:
    """Lets the account enter every folder above `path`.

    The wheel's ensure_prefix_permissions would also make those folders readable for everybody, root's
    home included. Entering needs only the x bit.
    """
    if account is None:
        return
    for folder in path.resolve().parents:
        status = folder.stat()
        own_x = status.st_uid == account.uid and status.st_mode & stat.S_IXUSR
        if own_x or status.st_mode & stat.S_IXOTH:
            continue
        try:
            folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
        except OSError as error:
            raise EmbeddedError(
                f"The user {account.name!r}, who runs the servers, cannot enter {folder}:"
                " allow it (chmod o+x), or choose another data directory."
            ) from error


def let_run(program: Path, account: Account | None) -> None:
    """Lets the account run a program from a wheel, even if it was installed under a strict umask."""
    if account is None:
        return
    let_reach(program, account)
    if program.stat().st_mode & stat.S_IROTH and program.stat().st_mode & stat.S_IXOTH:
        return
    install = program.parent.parent
    libraries = install.parent.with_name(install.parent.name + ".libs")  # auditwheel's folder
    for folder in (install, libraries):
        if folder.is_dir():
            ensure_folder_permissions(folder, READ_AND_RUN)
