"""Every bad plan is refused with the field that is wrong, before anything is laid out."""

import math
from typing import Any

import msgspec
import pytest

from catalog.halls.checks import ERRORS_MAX, check, checked_hall
from catalog.halls.document import (
    CurvedBlock,
    PlanDocument,
    Section,
    Stage,
    StraightBlock,
)
from chassis.problems import ValidationFailed

from .plans import STAGE, curve, document, plan, rows, seated, standing

TABLE = {"label": "1", "shape": "round", "at": [0, 30], "seats": 4}
BOWTIE = [[0, 0], [9, 9], [9, 0], [0, 9]]


def first_error(found: PlanDocument) -> tuple[str, str]:
    error = next(check(found))
    return error.field, error.message


def section(*blocks: Any, **fields: Any) -> PlanDocument:
    return document(seated("a", *blocks, **fields))


def marked(*properties: Any, **fields: Any) -> PlanDocument:
    aisle = {"after": 3}
    return section(rows(rows=2, seats=6, aisles=[aisle]), properties=list(properties), **fields)


ACCESSIBLE = {"rows": ["1"], "seats": [1], "accessible": True}


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        (lambda: section(rows(labels=["A"], rows=2)), "sections.0.blocks.0.rows", "must be 1"),
        (lambda: section(rows(rows=None)), "sections.0.blocks.0.rows", "is needed"),
        (lambda: section(rows(seats=None)), "sections.0.blocks.0.seats", "is needed"),
        (
            lambda: section(rows(seats=[1, 2, 3])),
            "sections.0.blocks.0.seats",
            "must be one number, or 2",
        ),
        (
            lambda: section(rows(seats=None, numbers=[[1], [2], [3]])),
            "sections.0.blocks.0.numbers",
            "must be one list, or 2",
        ),
        (
            lambda: section(rows(numbers=[[1, 2, 3]])),
            "sections.0.blocks.0.numbers.0",
            "must be 4, one for each seat",
        ),
        (
            lambda: section(rows(numbers=[[1, 2, 3, 2]])),
            "sections.0.blocks.0.numbers.0",
            "must not have a number twice",
        ),
        (
            lambda: section(rows(numbers=[[1, 2, 3, 4]], numbering={"from": 2})),
            "sections.0.blocks.0.numbering",
            "must not be given beside numbers",
        ),
        (
            lambda: section(rows(labels={"style": "letters", "from": 3})),
            "sections.0.blocks.0.labels.from",
            "must be letters",
        ),
        (
            lambda: section(rows(labels={"style": "letters", "from": "O"})),
            "sections.0.blocks.0.labels.from",
            "must be letters without I and O",
        ),
        (
            lambda: section(rows(labels={"from": "A"})),
            "sections.0.blocks.0.labels.from",
            "must be a number",
        ),
        (
            lambda: section(rows(aisles=[{"after": 0}])),
            "sections.0.blocks.0.aisles.0.after",
            "must not be 0",
        ),
        (
            lambda: section(curve(start=60, end=120)),
            "sections.0.blocks.0.start",
            "must be above end",
        ),
        (
            lambda: section(curve(start=361, end=0)),
            "sections.0.blocks.0.start",
            "at most 360 degrees",
        ),
        (lambda: section(curve(seats=40)), "sections.0.blocks.0.seats", 'row "1" is too short'),
        (
            lambda: section(curve(start=90, end=89)),
            "sections.0.blocks.0.seats",
            'row "1" has 0 seats',
        ),
        (
            lambda: section(curve(radius=500, start=180, end=0)),
            "sections.0.blocks.0.seats",
            "a row has 1 to 500",
        ),
        (section, "sections.0.blocks", "must have at least one"),
        (lambda: section(rows(), capacity=3), "sections.0.capacity", "must not be given"),
        (
            lambda: section(rows(labels=["A", "A"])),
            "sections.0.blocks.0.labels",
            'have "A" twice in this section',
        ),
        (
            lambda: section(rows(), rows(at=[20, 20])),
            "sections.0.blocks.1.labels",
            'have "1" twice in this section',
        ),
        (
            lambda: section(rows(), tables=[TABLE]),
            "sections.0.tables.0.label",
            'have "1" twice in this section',
        ),
        (lambda: document(standing("a", capacity=None)), "sections.0.capacity", "is needed"),
        (lambda: document(standing("a", outline=None)), "sections.0.outline", "is needed"),
        (
            lambda: document(standing("a", blocks=[rows()])),
            "sections.0.blocks",
            "must not be given",
        ),
        (lambda: document(standing("a", tables=[TABLE])), "sections.0.tables", "must not be given"),
        (lambda: document(standing("a", outline=BOWTIE)), "sections.0.outline", "must not cross"),
        (
            lambda: document(standing("a", outline=[[0, 0], [5, 0.01], [9, 0]])),
            "sections.0.outline",
            "must enclose an area",
        ),
        (
            lambda: document(standing("a", outline=[[0, 0], [5, 0], [0, 0]])),
            "sections.0.outline",
            "at least 3 corners",
        ),
        (
            lambda: document(seated("a", rows()), seated("a", rows(at=[0, 20]), name="Other")),
            "sections.1.key",
            "is used twice",
        ),
        (
            lambda: document(seated("a", rows()), seated("b", rows(at=[0, 20]), name="Section a")),
            "sections.1.name",
            "is used twice",
        ),
        (lambda: section(rows(), level="upper"), "sections.0.level", "is no level of this plan"),
        (
            lambda: document(seated("a", rows()), levels=[{"key": "x", "name": "X"}] * 2),
            "levels.1.key",
            "is used twice",
        ),
        (
            lambda: document(seated("a", rows()), stage=None),
            "focal_point",
            "is needed without a stage",
        ),
        (
            lambda: document(seated("a", rows()), stage={"kind": "end", "outline": BOWTIE}),
            "stage.outline",
            "must not cross",
        ),
        (
            lambda: document(seated("a", rows()), stage={**STAGE, "kind": "point"}),
            "stage.outline",
            "must have 1 corners",
        ),
        (lambda: marked({"rows": ["1"]}), "sections.0.properties.0", "must say one of"),
        (
            lambda: marked({"rows": ["9"], "house": True}),
            "sections.0.properties.0.rows.0",
            "is no row",
        ),
        (
            lambda: marked({"rows": ["2"], "seats": [1, 7], "house": True}),
            "sections.0.properties.0.seats.1",
            'is no seat of row "2"',
        ),
        (
            lambda: marked(ACCESSIBLE, {"rows": ["1"], "companion_of": 1}),
            "sections.0.properties.1.seats",
            "is needed beside companion_of",
        ),
        (
            lambda: marked(ACCESSIBLE, {"rows": ["1"], "seats": [2], "companion_of": 9}),
            "sections.0.properties.1.companion_of",
            'is no seat of row "1"',
        ),
        (
            lambda: marked(ACCESSIBLE, {"rows": ["2"], "seats": [2], "companion_of": 1}),
            "sections.0.properties.1.companion_of",
            'is no accessible seat of row "2"',
        ),
        (
            lambda: marked(ACCESSIBLE, {"rows": ["1"], "seats": [2, 4], "companion_of": 1}),
            "sections.0.properties.1.seats.1",
            'of row "1" is not beside seat 1',
        ),
        (
            lambda: marked(ACCESSIBLE, {"rows": ["1"], "seats": [1], "companion_of": 1}),
            "sections.0.properties.1.seats.0",
            "is an accessible seat itself",
        ),
        (
            lambda: marked(
                ACCESSIBLE | {"seats": [1, 3]},
                {"rows": ["1"], "seats": [2], "companion_of": 1},
                {"rows": ["1"], "seats": [2], "companion_of": 3},
            ),
            "sections.0.properties.2.seats.0",
            "belongs to two accessible seats",
        ),
    ],
)
def test_what_is_refused(wrong: Any, field: str, said: str) -> None:
    found, message = first_error(wrong())
    assert found == field
    assert said in message


def test_overlapping_seats_are_both_named() -> None:
    wrong = document(seated("a", rows()), seated("b", rows(at=[3.4, 4.1], labels=["X", "Y"])))
    found, message = first_error(wrong)
    assert found == "sections.1.blocks.0"
    assert message == 'seat 1 of row "X" in "Section b" overlaps seat 4 of row "1" in "Section a"'


def test_overlaps_within_a_row_of_tables_are_found_too() -> None:
    near = {**TABLE, "label": "2", "at": [0.2, 30]}
    assert first_error(section(tables=[TABLE, near]))[0] == "sections.0.tables.1"


def test_an_answer_has_many_errors_but_not_all() -> None:
    """200 sections on each other, each with eight seats: 1,592 of them overlap."""
    wrong = document(*(seated(str(index), rows()) for index in range(200)))
    with pytest.raises(ValidationFailed) as refused:
        checked_hall(wrong)
    assert len(refused.value.errors) == ERRORS_MAX
    assert sum(1 for _ in check(wrong)) == 199 * 8


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf, 1e9])
@pytest.mark.parametrize(
    ("field", "made"),
    [
        ("sections.0.blocks.0.at", lambda at: StraightBlock(at=(at, 0.0), rows=1, seats=1)),
        (
            "sections.0.blocks.0.rotation",
            lambda at: StraightBlock(at=(0.0, 0.0), rotation=at, rows=1, seats=1),
        ),
        (
            "sections.0.blocks.0.radius",
            lambda at: CurvedBlock(centre=(0, 0), radius=at, start=90, end=0, rows=1),
        ),
        (
            "sections.0.blocks.0.start",
            lambda at: CurvedBlock(centre=(0, 0), radius=9, start=at, end=0, rows=1),
        ),
    ],
)
def test_numbers_that_no_json_can_hold_are_refused_in_plans_made_by_code(
    at: float, field: str, made: Any
) -> None:
    wrong = PlanDocument(
        version=1,
        name="A hall",
        stage=Stage(outline=[(0, 0), (5, 0), (5, 5)]),
        sections=[Section(key="a", name="A", blocks=[made(at)])],
    )
    assert first_error(wrong)[0] == field


@pytest.mark.parametrize("at", [math.nan, math.inf, 1e9])
def test_corners_must_be_numbers(at: float) -> None:
    outline = [(0.0, 0.0), (at, 0.0), (9.0, 9.0)]
    area = Section(key="a", name="A", kind="standing", capacity=1, outline=outline)
    wrong = PlanDocument(version=1, name="A", focal_point=(0, 0), sections=[area])
    assert first_error(wrong)[0] == "sections.0.outline.1"


@pytest.mark.parametrize(
    "number", ["1e999", "-1e999", "1" + "0" * 400, "5001", "NaN", "Infinity", '"1"']
)
def test_json_with_impossible_coordinates_is_refused_by_its_types(number: str) -> None:
    body = msgspec.json.encode(plan(seated("a", rows(at=[0.125, 0])))).replace(
        b"0.125", number.encode()
    )
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body, type=PlanDocument)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"unknown field `colour`.*\$\.sections\[0\]"):
        document(seated("a", rows(), colour="red"))


def grid_of(sections: int, **fields: Any) -> list[Any]:
    return [
        seated(
            str(index),
            rows(
                **(
                    {"rows": 20, "seats": 20, "at": [30.0 * (index % 25), 40.0 * (index // 25)]}
                    | fields
                )
            ),
        )
        for index in range(sections)
    ]


def test_200_000_seats_in_500_sections_are_laid_out() -> None:
    hall = checked_hall(document(*grid_of(500)))
    assert sum(area.capacity for area in hall.areas) == 200_000


def test_one_seat_more_is_refused() -> None:
    wrong = document(*grid_of(499), standing("floor", capacity=401))
    assert first_error(wrong) == ("sections", "have 200001 seats; a plan has at most 200000")


def test_501_sections_are_refused_by_their_type() -> None:
    with pytest.raises(msgspec.ValidationError, match="length <= 500"):
        document(*grid_of(501))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            lambda: document(
                *(seated(str(i), *[rows(rows=500, seats=500)] * 100) for i in range(100))
            ),
            "5000000 seats",
        ),
        (
            lambda: document(
                *(
                    standing(str(i), outline=[[x, x * x / 50] for x in range(200)])
                    for i in range(101)
                )
            ),
            "20200 corners",
        ),
        (
            lambda: document(
                seated(
                    "a",
                    rows(),
                    properties=[{"rows": ["1"] * 500, "seats": [1] * 500, "house": True}] * 5,
                )
            ),
            "1250000 marks of seats",
        ),
    ],
)
def test_plans_that_would_cost_too_much_are_refused_by_counting(wrong: Any, said: str) -> None:
    """None of these is looked at any further: in the first, nothing but rows has been counted."""
    (error,) = check(wrong())
    assert said in error.message
