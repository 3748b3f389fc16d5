"""The web server of one role, in this process: Granian with the worker processes under it.

Run as `python -m runtime.serving ROLE`; the supervisor does. Granian's own keeping-alive brings a
dead worker process back at once. On SIGHUP it puts a new worker process into the place of each, one
after the other, on the socket that stays open: nobody is refused a connection meanwhile.
"""

import sys
from typing import Any
from urllib.parse import urlsplit

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from chassis import settings
from runtime.supervisor import watch_parent

BACKLOG = 8192  # connections that may wait to be accepted when ten thousand come at once
# A process; the gateway sheds long before, this only ends the unreasonable.
CONNECTIONS_MAX = 20_000
HEADER_TIMEOUT_MS = 30_000  # also how long an idle kept-alive connection stays open
STOP_TIMEOUT_S = 8
RELOAD_OVERLAP_S = (
    6.0  # on SIGHUP the old worker process serves on for so long: a start takes 2 to 5 s
)


def serve(role: str, loaded: settings.Settings) -> None:
    """Blocks until SIGTERM or SIGINT."""
    server(f"runtime.web:{role}", loaded).serve()


def server(factory: str, loaded: settings.Settings) -> Any:
    """Granian as all of the platform is served, round the app that `module:factory` makes."""
    return Server(
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
        log_level=LogLevels.warning,
        process_name=None,
    )


def is_up(loaded: settings.Settings) -> bool:
    """Whether the server answers its health probe."""
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
    """The port in a service's URL, so that `serve X` listens where the others look for it."""
    return (urlsplit(url).port if url else None) or otherwise


if __name__ == "__main__":
    watch_parent()
    serve(sys.argv[1], settings.load())
