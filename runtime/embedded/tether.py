"""Becomes another program that ends when its parent does: `tether.py SIGNAL PARENT UID GID ARGV…`.

Run as a script by `spawning.tethered`, so it imports nothing of ours. It exists because the
alternative, a preexec_fn, runs Python between fork and exec, which may deadlock in a process with
threads and is deprecated there. The request for a death signal must follow the change of user,
which would clear it; so that is done here too. UID and GID are "-" to stay who we are, and SIGNAL
is 0 to ask for none.
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
    if os.getppid() != int(parent):  # it died before the request was in
        sys.exit(1)
    try:
        os.execvp(argv[0], argv)  # noqa: S606  that is what it is for
    except OSError as error:
        sys.exit(f"{argv[0]} cannot be run: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
