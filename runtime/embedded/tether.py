"""Runs another program that ends when its parent does: `tether.py SIGNAL PARENT UID GID ARGV…`.

`spawning.tethered` runs it as a script, so it imports nothing of ours. The alternative, a preexec_fn,
runs Python between fork and exec. That may deadlock in a process with threads and is deprecated there.
The death signal must be requested after the change of user, which would clear it; so this script does
that too. UID and GID are "-" to keep the user. SIGNAL is 0 for no death signal.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(signum: str, parent: str, uid: str, gid: str, *argv: str) -> None:
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux" and int(signum):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    if os.getppid() != int(parent):  # it died before the request took effect
        sys.exit(1)
    try:
        os.execvp(argv[0], argv)  # noqa: S606  the purpose of this script
    except OSError as error:
        sys.exit(f"{argv[0]} cannot run: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
