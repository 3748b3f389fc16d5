"""docs/halls.md: its example is a hall."""

import re
from pathlib import Path

import jsonschema_rs
import msgspec

from catalog.halls.checks import checked_hall
from catalog.halls.document import PlanDocument
from catalog.halls.schema import STORED

PAGE = Path(__file__).resolve().parents[3] / "docs" / "halls.md"


def example() -> bytes:
    (found,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(found).encode()


def test_the_example_is_laid_out() -> None:
    hall = checked_hall(msgspec.json.decode(example(), type=PlanDocument))
    stalls, balcony, left, right, bar = hall.areas
    assert [row.label for row in stalls.rows] == ["A", "B", "C", "D", "E"]
    assert stalls.rows[0].companions == ((3, 1), (4, 2))
    assert [area.capacity for area in (balcony, left, right, bar)] == [44, 4, 4, 40]
    assert all(row.whole for row in (*left.rows, *right.rows))


def test_the_example_follows_the_schema() -> None:
    jsonschema_rs.validator_for(msgspec.json.decode(STORED.read_bytes())).validate(
        msgspec.json.decode(example())
    )
