"""Serves an app of loadtest.bench.programs.bare_apps exactly as the platform serves its own.

The bench runs it as `python -m loadtest.bench.programs.serve_bare NAME`.
"""

import sys
from typing import Any
from unittest import mock

from granian.server import Server

from chassis import settings
from runtime import serving


def serve(name: str, loaded: settings.Settings) -> None:
    """runtime.serving.serve with another app, so Granian gets the same settings."""

    def of_this_app(_: str, **options: Any) -> Any:
        return Server(f"loadtest.bench.programs.bare_apps:{name}", **options)

    with mock.patch.object(serving, "Server", of_this_app):
        serving.serve(name, loaded)


if __name__ == "__main__":
    serve(sys.argv[1], settings.load())
