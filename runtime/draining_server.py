"""The web server's main process, which drains before it ends (runtime.draining).

Apart from what the worker processes do, so that it loads nothing of the platform.
"""

import os
import signal
import threading
from contextlib import suppress
from typing import Any

from granian.server import Server

DRAIN_SIGNAL = signal.SIGUSR2


class DrainingServer(Server):  # type: ignore[misc,valid-type]  # Granian chooses it at import
    """Granian's main process: SIGTERM drains first. SIGINT, and a second SIGTERM, stop at once."""

    def __init__(self, *args: Any, drain_s: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._drain_s = drain_s
        self._drains = False

    def startup(self, *args: Any) -> None:
        # A worker process that has not installed its handler yet must not die of the notice.
        signal.signal(DRAIN_SIGNAL, signal.SIG_IGN)
        super().startup(*args)

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        if self._drains or not self._drain_s or args[:1] != (signal.SIGTERM,):
            super().signal_handler_interrupt(*args, **kwargs)
            return
        self._drains = True
        for worker in list(self.wrks):
            with suppress(ProcessLookupError):  # it has just died
                os.kill(worker.inner.pid, DRAIN_SIGNAL)
        timer = threading.Timer(self._drain_s, super().signal_handler_interrupt)
        timer.daemon = True
        timer.start()
