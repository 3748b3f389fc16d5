"""The report, for a terminal and as a page."""

import re
from uuid import UUID

import msgspec
import pytest

from loadtest.rehearsal.asking import RehearsalError
from loadtest.rehearsal.faults import Happened
from loadtest.rehearsal.page import as_page, write
from loadtest.rehearsal.report import Report, Setting, as_json, as_text
from tests.unit.loadtest.rehearsal.test_findings import STORED, found

HOSTILE = "<script>alert(1)</script> & 演唱会"
SETTING = Setting(
    session_id=UUID(int=1), title=HOSTILE, venue="馆", seats=2, people=2, curve="burst", seconds=30.0,
    abandon=0.1, late=0.2, faults=[], gateway="http://127.0.0.1:8000", web=2, processors=2,
    load_before=0.5, began="2026-11-28 20:00:00 UTC", command="stampede rehearse",
)  # fmt: skip
REPORT = Report(
    SETTING,
    found(busy=[(1.0, 0.3)]),
    [Happened("kill:web", 2.0, "killed")],
    1.25,
    "planner",
    [],
    0,
    go=True,
)


def test_the_terminal_says_go_both_times_and_the_fault() -> None:
    text = "\n".join(as_text(REPORT))
    assert "GO: every objective was met" in text
    assert "Sold out    1.0 s after the opening" in text
    assert "Predicted   1.2 s" in text
    assert "Fault kill:web at 2.0 s: killed" in text


def test_a_miss_is_named_first() -> None:
    bad = msgspec.structs.replace(
        REPORT, findings=found(stored=msgspec.structs.replace(STORED, twice=1)), go=False
    )
    assert "NO-GO: nobody oversold" in list(as_text(bad))[1]


def test_what_could_not_be_removed_is_a_no_go() -> None:
    left = msgspec.structs.replace(REPORT, left_over=["accounts of the crowd"], go=False)
    text = list(as_text(left))
    assert text[1].startswith("NO-GO: not everything could be removed")
    assert text[-1] == "LEFT OVER: accounts of the crowd"


def test_the_page_has_no_script_no_address_and_escapes_what_organizers_wrote() -> None:
    page = as_page(REPORT).decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=", page)
    assert "default-src 'none'" in page
    assert "GO: every objective was met" in page


def test_the_document_can_be_read_back() -> None:
    document = msgspec.json.decode(as_json(REPORT))
    assert document["go"] is True
    assert document["findings"]["sold_out_s"] == 1.0


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RehearsalError, match="cannot be written"):
        write(tmp_path / "none" / "report.json", b"{}")
