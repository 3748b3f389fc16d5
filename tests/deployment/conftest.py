"""The files in deploy/, in a copy that a test may change."""

import shutil
from pathlib import Path

import pytest

from tests.support.deployment import CHART, DEPLOY


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """compose.yaml with the files that an operator fills in."""
    directory = tmp_path / "deploy"
    directory.mkdir()
    shutil.copy(DEPLOY / "compose.yaml", directory)
    shutil.copy(DEPLOY / "payment.example.env", directory / "payment.env")
    return directory


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CHART, tmp_path / "stampede"))
