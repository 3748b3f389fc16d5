"""Who runs which files of tests, and in what order, where several processes share them (`make test`).

pytest-xdist gives out the files with the most tests first. Ours with the most tests take the least time, and
a long file that begins last leaves the other cores idle. So what takes long comes first, by folder. What
shares the run's two platforms goes to one process: each has a dozen processes, which start once and idle
once.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

ON_THE_RUNS_PLATFORMS = ("tests/browser/", "tests/e2e/")
LONGEST_FIRST = (
    *ON_THE_RUNS_PLATFORMS,
    "tests/chaos/",
    "tests/deployment/",
    "tests/integration/runtime/",
    "tests/integration/chassis/",
    "tests/races/",
    "tests/model/",
    "tests/integration/",
    "tests/",
)


def group_of(test: str) -> str:
    """What one process runs as a whole: a file, or all that needs the run's platforms."""
    file = test.partition("::")[0]
    return "platforms" if file.startswith(ON_THE_RUNS_PLATFORMS) else file


def rank_of(test: str) -> int:
    return next(rank for rank, folder in enumerate(LONGEST_FIRST) if test.startswith(folder))


class LongestFirst(LoadFileScheduling):
    """Gives out groups in the order in which the processes collected them."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
