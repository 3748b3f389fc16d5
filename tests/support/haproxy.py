"""HAProxy for tests. Where `CI` is set a missing one is a failure, elsewhere its tests are skipped."""

import os
from pathlib import Path

import pytest

from runtime.topology.balancer import choose_haproxy


def program() -> Path:
    """Where HAProxy is."""
    found = choose_haproxy("auto")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("HAProxy is not installed here")
        pytest.skip("HAProxy is not installed here")
    return found
