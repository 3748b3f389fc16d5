"""Socket options for the web server's connections, for which Granian has no settings.

TCP_USER_TIMEOUT closes a connection whose peer accepts no data: its window stays closed, or it
acknowledges nothing (RFC 5482; Linux: tcp(7)). Nothing above the kernel can do this: the HTTP library
flushes its buffer before anything else, and waits for the peer. TCP_NOTSENT_LOWAT keeps the kernel's
buffer small, so that `taken` means nearly sent.

Connections inherit both options from their listening socket. Connections that were accepted earlier get
them one by one. Other systems than Linux have neither option: there such a client gets no more data but
keeps its connection.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress

from chassis.observability import logs

NOT_SENT_MAX_BYTES = 65_536
LOOK_INTERVAL_S = 0.02
LOOKS_MAX = 500  # Granian listens soon after the lifespan begins; after ten seconds it never will
ACCEPTED_S = 1.0  # by then, connections that waited when the listener was set have been accepted
GRACE_S = 1  # the application cuts first, and counts it

log = logs.get("gateway")


@asynccontextmanager
async def silent_takers_cut(timeout_s: int) -> AsyncIterator[None]:
    """While this process serves, closes connections that accept no data for so long."""
    task = asyncio.get_running_loop().create_task(_tune_when_listening(timeout_s))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _tune_when_listening(timeout_s: int) -> None:
    if sys.platform != "linux":
        return
    for _ in range(LOOKS_MAX):
        if listeners := tune(timeout_s):
            log.info("silent_takers_are_cut", after_s=timeout_s, listeners=listeners)
            await asyncio.sleep(ACCEPTED_S)
            tune(timeout_s)
            return
        await asyncio.sleep(LOOK_INTERVAL_S)
    log.warning("not_listening", looked_for_s=LOOKS_MAX * LOOK_INTERVAL_S)


def tune(timeout_s: int) -> int:
    """Sets both options on every listening TCP socket of this process, and on the connections it has
    accepted.

    Returns the number of listening sockets.
    """
    options = {
        socket.TCP_USER_TIMEOUT: (timeout_s + GRACE_S) * 1000,
        socket.TCP_NOTSENT_LOWAT: NOT_SENT_MAX_BYTES,
    }
    with ExitStack() as stack:
        sockets = [stack.enter_context(one) for one in _tcp_sockets()]
        listeners = [one for one in sockets if _listens(one)]
        ports = {one.getsockname()[1] for one in listeners}
        accepted = [one for one in sockets if one not in listeners and _port(one) in ports]
        for one in listeners + accepted:
            for option, value in options.items():
                with suppress(OSError):  # a connection that has ended
                    one.setsockopt(socket.IPPROTO_TCP, option, value)
        return len(listeners)


def _listens(one: socket.socket) -> bool:
    return bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _port(one: socket.socket) -> int:
    try:
        return int(one.getsockname()[1])
    except OSError:
        return 0


def _tcp_sockets() -> Iterator[socket.socket]:
    """As duplicates that the caller closes: the descriptors themselves belong to Granian."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # not a socket, or closed meanwhile
            duplicate = os.dup(int(name))
            try:
                one = socket.socket(fileno=duplicate)
            except OSError:
                os.close(duplicate)
                continue
            if one.family in {socket.AF_INET, socket.AF_INET6} and one.type == socket.SOCK_STREAM:
                yield one
            else:
                one.close()
