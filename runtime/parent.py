"""A process that the supervisor started ends with it.

Apart from the supervisor, so that its children load nothing of what it needs to run servers.
"""

import os
import signal
import threading
import time

PARENT_FD = "STAMPEDE_PARENT_FD"
ORPHAN_GRACE_S = 15.0  # longer than any child needs to stop in order


def watch_parent() -> threading.Thread | None:
    """Ends this process when its supervisor ends. A child calls it once, early.

    Sends itself SIGTERM when the supervisor's pipe (env STAMPEDE_PARENT_FD) closes, and SIGKILL to its
    process group if it is still there 15 s later. Returns None if there is no supervisor.
    """
    fd = os.environ.pop(PARENT_FD, None)
    if fd is None:
        return None
    thread = threading.Thread(target=_end_at_eof, args=(int(fd),), name="parent-watch", daemon=True)
    thread.start()
    return thread


def _end_at_eof(fd: int) -> None:
    while os.read(fd, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_GRACE_S)
    if os.getpgrp() == os.getpid():  # ours to end: the supervisor made us its leader
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
