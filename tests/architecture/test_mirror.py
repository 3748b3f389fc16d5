"""Tests lie where what they test lies: a folder below tests/unit and tests/integration is a room."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

TESTS = ROOT / "tests"
OF_THE_PAGES = {"docs"}  # what the pages for readers say, against the code
WITHIN_A_ROOM = {"integration/chassis/events/brokers"}  # one suite over every broker, with fixtures


def folders_of(kind: str) -> Iterator[Path]:
    for folder in sorted((TESTS / kind).rglob("*")):
        if list(folder.glob("test_*.py")):
            yield folder


@pytest.mark.parametrize("kind", ["unit", "integration"])
def test_every_folder_of_tests_is_a_room_of_the_house(kind: str) -> None:
    folders = list(folders_of(kind))
    assert len(folders) > 10  # else this test looks in the wrong place
    elsewhere = [
        str(folder.relative_to(TESTS))
        for folder in folders
        if str(folder.relative_to(TESTS)) not in WITHIN_A_ROOM
        and (room := folder.relative_to(TESTS / kind)).parts[0] not in OF_THE_PAGES
        and not (ROOT / room).is_dir()
    ]
    assert elsewhere == []


@pytest.mark.parametrize("kind", ["unit", "integration"])
def test_no_test_lies_outside_the_rooms(kind: str) -> None:
    assert [path.name for path in (TESTS / kind).glob("test_*.py")] == []
