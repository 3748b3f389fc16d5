"""The mark of a rehearsal's ids."""

from chassis.ids import uuid7
from contracts.rehearsals import MARK_TEXT, is_rehearsal, rehearsal_id


def test_a_marked_id_is_told_from_an_ordinary_one() -> None:
    assert is_rehearsal(rehearsal_id())
    assert not any(is_rehearsal(uuid7()) for _ in range(10_000))


def test_the_mark_is_the_end_of_the_text_which_is_what_sql_looks_at() -> None:
    assert str(rehearsal_id())[-12:] == MARK_TEXT


def test_a_marked_id_is_an_ordinary_uuid7_of_its_time() -> None:
    before, marked, after = uuid7(), rehearsal_id(), uuid7()
    assert marked.version == 7
    assert before.int >> 80 <= marked.int >> 80 <= after.int >> 80
