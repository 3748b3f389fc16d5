"""Serves an app of loadtest.bench.programs.bare_apps exactly as the platform serves its own.

The bench runs it as `python -m loadtest.bench.programs.serve_bare NAME`.
"""

import sys
from collections.abc import Callable
from typing import Any

from chassis import settings
from runtime import serving
from runtime.draining_server import DrainingServer


def serve(
    name: str, loaded: settings.Settings, *, kind: Callable[..., Any] = DrainingServer
) -> None:
    """runtime.serving.serve with another app, so Granian gets the same settings."""
    serving.server(f"loadtest.bench.programs.bare_apps:{name}", loaded, kind=kind).serve()


if __name__ == "__main__":
    serve(sys.argv[1], settings.load())
