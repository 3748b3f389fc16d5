"""Sections as CSV: out and back is the same hall, and hostile files are refused by line and column."""

import contextlib
import csv
import io
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.halls.checks import check, checked_hall
from catalog.halls.csv_form import BYTES_MAX, COLUMNS, from_csv, to_csv
from catalog.halls.document import PlanDocument
from catalog.halls.hall import Hall, seats_of
from chassis.problems import ValidationFailed
from runtime.demo import halls

from .plans import document, documents, rows, seated, standing

EMPTY = document(seated("x", rows()))


def same(one: Hall, other: Hall) -> None:
    assert [area.key for area in one.areas] == [area.key for area in other.areas]
    for area, copy in zip(one.areas, other.areas, strict=True):
        about = ("name", "kind", "capacity", "level", "entrance", "view")
        assert [getattr(area, name) for name in about] == [getattr(copy, name) for name in about]
        for row, again in zip(area.rows, copy.rows, strict=True):
            marks = ("label", "accessible", "companions", "restricted", "blocked", "house", "whole")
            assert [getattr(row, name) for name in marks] == [
                getattr(again, name) for name in marks
            ]
            assert [run.count for run in row.segments] == [run.count for run in again.segments]
            for (number, place), (number_again, place_again) in zip(
                seats_of(row), seats_of(again), strict=True
            ):
                assert number == number_again
                assert math.dist(place, place_again) < 0.01


@settings(deadline=None, max_examples=60)
@given(documents())
def test_any_plan_of_rows_comes_back(drawn: PlanDocument) -> None:
    same(checked_hall(drawn), checked_hall(from_csv(to_csv(drawn).encode(), drawn)))


@pytest.mark.parametrize(
    "made", [halls.concert, halls.match, halls.theatre, halls.club, halls.arena]
)
def test_the_demos_halls_come_back(made: Callable[[], halls.DemoHall]) -> None:
    """Tables, boxes, standing areas, companions, odd and even numbers."""
    plan = made().plan
    same(checked_hall(plan), checked_hall(from_csv(to_csv(plan).encode(), plan)))


def test_outlines_and_labels_come_back_exactly() -> None:
    plan = document(standing("a", label_at=[1.5, -2], outline=[[0, 0], [9.25, 0], [9, 9]]))
    assert from_csv(to_csv(plan).encode(), plan) == plan


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@A1", "'quoted", '=HYPERLINK("http://x","y")']
)
def test_a_formula_is_text_for_a_spreadsheet_and_comes_back(text: str) -> None:
    plan = document(seated(text, rows(labels=[text[:20], "B"]), name=text))
    cells = [cell for line in csv.reader(io.StringIO(to_csv(plan))) for cell in line]
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)
    again = from_csv(to_csv(plan).encode(), plan).sections[0]
    assert (again.key, again.name) == (text, text)
    assert [block.labels for block in again.blocks] == [[text[:20]], ["B"]]


def refusal(body: str | bytes) -> tuple[str, str]:
    with pytest.raises(ValidationFailed) as refused:
        from_csv(body if isinstance(body, bytes) else body.encode(), EMPTY)
    error = refused.value.errors[0]
    return error.field, error.message


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"section,row\n\xff\xfe,1\n", "csv"),
        ("section,row,seats\nA,1,4\n".encode("utf-16"), "csv"),
        (b"x" * (BYTES_MAX + 1), "csv"),
        ("", "lines.1"),
        ("row\n1\n", "lines.1"),
        ("section,colour\nA,red\n", "lines.1"),
        ("section,section\nA,A\n", "lines.1"),
        ("section\n", "lines"),
        ('section,row\nA,"1\n', "lines.2"),
        ("section,row\nA,1,2\n", "lines.2"),
        ("section,row\nA," + "x" * 140_000 + "\n", "lines.2"),
        ("section,row\n" + "x" * 65 + ",1\n", "lines.2.key"),
        ("section,row,seats\n,1,4\n", "lines.2.section"),
        ("section,row,seats\nA,1,four\n", "lines.2.seats"),
        ("section,row,seats\nA,1,²\n", "lines.2.seats"),
        ("section,row,seats\nA,1,501\n", "lines.2.seats"),
        ("section,row,seats,x\nA,1,4,nan\n", "lines.2.x"),
        ("section,row,seats,x\nA,1,4,inf\n", "lines.2.x"),
        ("section,row,seats,x\nA,1,4,1e9\n", "lines.2.at.0"),
        ("section,row,seats,shape\nA,1,4,hexagon\n", "lines.2.shape"),
        ("section,row,seats,shape\nA,1,4,curved\n", "lines.2.radius"),
        ("section,row,numbers\nA,1,1..x\n", "lines.2.numbers"),
        ("section,row,numbers\nA,1,1..999999\n", "lines.2.numbers"),
        ("section,row,numbers\nA,1,1..9/0\n", "lines.2.numbers"),
        ("section,row,seats,whole\nA,1,4,no\n", "lines.2.whole"),
        ("section,row,seats,companions\nA,1,4,2>x\n", "lines.2.companions"),
        ("section,row,seats,name\nA,1,4,One\nA,2,4,Two\n", "lines.3.name"),
        ("section,row,seats,outline\nA,1,4,1;2\n", "lines.2.outline"),
        ("section,kind\nA,lying\n", "lines.2.kind"),
        ("section,row,seats\n" + "A,1,4\n" * 2001, "sections.0.blocks"),
    ],
)
def test_what_is_refused(body: str | bytes, field: str) -> None:
    found, _ = refusal(body)
    assert found == field


def test_a_byte_order_mark_and_missing_columns_are_fine() -> None:
    plan = from_csv("\ufeffsection,row,seats,y\r\nA,1,4,0\r\nA,2,4,1.6\r\n\r\n".encode(), EMPTY)
    (area,) = checked_hall(plan).areas
    assert (area.name, area.capacity, len(area.rows)) == ("A", 8, 2)


cell = st.one_of(
    st.sampled_from(
        ["A", "1", "4", "curved", "1..4", "2>1", "yes", "standing", "9,9", "1+1", "-5"]
    ),
    st.text(max_size=8),
)


@settings(deadline=None)
@given(st.lists(st.lists(cell, max_size=len(COLUMNS)), max_size=4))
def test_no_file_makes_anything_but_a_plan_or_a_refusal(lines: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([COLUMNS, *lines])
    with contextlib.suppress(ValidationFailed):
        list(check(from_csv(out.getvalue().encode("utf-8", "surrogatepass"), EMPTY)))
