"""The table that says how good a prediction was."""

import msgspec

from loadtest.predicting import Course, predict, table
from planning.costs import shipped
from planning.work import Work

WORK = Work.of(shipped(), known=True)
ONCE = predict(WORK, 2, people=500, seats=50, cores=2.0)


def test_the_error_is_against_the_median_of_the_sales() -> None:
    measured = [
        msgspec.structs.replace(ONCE, last_answer_s=seconds) for seconds in (4.0, 10.0, 5.0)
    ]
    said = msgspec.structs.replace(ONCE, last_answer_s=6.0)
    assert "| last_answer_s | 6.00 | 5.00 (4.00–10.00) | +20% |" in list(table(2, said, measured))


def test_every_quantity_has_a_row_and_a_perfect_prediction_has_no_error() -> None:
    rows = list(table(2, ONCE, [ONCE]))[2:]
    assert len(rows) == len(msgspec.structs.fields(Course))
    assert all(row.endswith(("| +0% |", "| – |")) for row in rows)


def test_fewer_cores_are_a_longer_sale() -> None:
    assert predict(WORK, 2, people=500, seats=50, cores=0.5).last_answer_s > ONCE.last_answer_s
