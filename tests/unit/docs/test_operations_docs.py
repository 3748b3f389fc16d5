"""docs/operations.md has every setting and every command, and none that there is not."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from chassis.settings import PARSERS
from stampede.cli.main import stampede

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
QUOTED = re.compile(r"`([^`]+)`")


def rows(heading: str) -> list[str]:
    """The first cells of the table under this heading; `\\|` in a cell is a bar of its own."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [re.split(r"(?<!\\)\|", line)[1].replace("\\|", "|") for line in lines]


def test_every_setting_is_in_the_table_of_settings() -> None:
    told: list[str] = []
    for cell in rows("Settings"):
        for name in QUOTED.findall(cell):  # `RATE_LIMIT_LOGIN`, `_BURST`
            told.append(told[-1] + name if name.startswith("_") else name)
    assert len(told) == len(set(told))
    assert {name.lower() for name in told} == set(PARSERS)


def leaves(command: click.Command, path: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield path
        return
    for name, below in command.commands.items():
        yield from leaves(below, f"{path} {name}")


def calls(cell: str) -> Iterator[str]:
    """`stampede dlq list | retry [ID…] | purge ID…` is three commands, `rebuild ID | --all` is one."""
    (told,) = QUOTED.findall(cell)
    first, *others = told.split(" | ")
    words = re.match(r"(?:[a-z][-a-z]* ?)+", first)
    assert words is not None, cell
    yield words[0].strip()
    for other in others:
        if other[0].islower():
            yield f"{words[0].strip().rpartition(' ')[0]} {other.split(' ')[0]}"


def test_every_command_is_in_the_table_of_commands() -> None:
    told = {call for cell in rows("Commands") for call in calls(cell)}
    one_service = {call for call in told if call.startswith("stampede serve")}
    assert told - one_service | {"stampede serve"} == set(leaves(stampede, "stampede"))


def test_the_program_itself_has_every_command_of_the_table() -> None:
    """In a process of its own: another test may have imported a module of commands here."""
    asked = [sys.executable, "-m", "stampede", "--help"]
    answer = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    there = set(re.findall(r"^│ (\w+) ", answer.stdout, re.MULTILINE))
    assert there == {call.split()[1] for cell in rows("Commands") for call in calls(cell)}
