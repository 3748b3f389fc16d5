"""The web server of one role, in this process: Granian with its worker processes.

The supervisor runs it as `python -m runtime.serving ROLE`. Granian restarts a dead worker process at
once. On SIGHUP it replaces its worker processes one after the other, on a socket that stays open, so no
connection is refused. On SIGTERM it drains first (runtime.draining).
"""

import multiprocessing
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from chassis import settings
from runtime.draining_server import DrainingServer
from runtime.parent import watch_parent

BACKLOG = 8192  # connections that wait to be accepted, for ten thousand clients at once
# Per process. The gateway sheds load long before; this stops only extreme cases.
CONNECTIONS_MAX = 20_000
HEADER_TIMEOUT_MS = 30_000  # also how long an idle kept-alive connection stays open
STOP_TIMEOUT_S = 8
RELOAD_OVERLAP_S = (
    6.0  # On SIGHUP the old worker process serves for this long: a start takes 2 to 5 s.
)


def serve(
    role: str, loaded: settings.Settings, *, kind: Callable[..., Any] = DrainingServer
) -> None:
    """Blocks until SIGTERM or SIGINT."""
    server(f"runtime.web:{role}", loaded, kind=kind).serve()


def server(
    factory: str, loaded: settings.Settings, *, kind: Callable[..., Any] = DrainingServer
) -> Any:
    """Granian with the settings that all roles use, for the app that `module:factory` builds."""
    if sys.platform == "linux":
        # Python 3.14 would fork them from a server process of its own, which costs memory and a start more.
        multiprocessing.set_start_method("fork", force=True)
    return kind(
        factory,
        factory=True,
        address=loaded.host,
        port=loaded.port,
        interface=Interfaces.ASGI,
        workers=loaded.workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEADER_TIMEOUT_MS, max_buffer_size=65_536, pipeline_flush=False
        ),
        websockets=False,
        backlog=BACKLOG,
        backpressure=CONNECTIONS_MAX,
        respawn_failed_workers=True,
        respawn_interval=RELOAD_OVERLAP_S,
        workers_kill_timeout=STOP_TIMEOUT_S,
        drain_s=loaded.drain_s or 0.0,
        log_level=LogLevels.warning,
        process_name=None,
    )


def is_up(loaded: settings.Settings) -> bool:
    """True if the server answers its health probe."""
    import http.client  # noqa: PLC0415  only the supervising process asks

    host = "127.0.0.1" if loaded.host in {"0.0.0.0", "::", ""} else loaded.host  # noqa: S104
    connection = http.client.HTTPConnection(host, loaded.port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def port_of(url: str | None, otherwise: int) -> int:
    """The port in a service's URL, so that `serve X` listens where the others expect it. Of several
    URLs, the first one's."""
    return (urlsplit(url.split(",")[0]).port if url else None) or otherwise


if __name__ == "__main__":
    watch_parent()
    serve(sys.argv[1], settings.load())
