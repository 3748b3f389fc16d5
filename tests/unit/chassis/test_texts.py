"""Work on text from outside grows no faster than the text: combining marks, patterns, findings."""

import importlib
import re
import sys
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

import catalog.wire
import identity.wire
import notification.webhooks.wire
from catalog import checks, search_texts
from catalog.domain.searching import fold
from catalog.routes.public import search_of
from catalog.search_texts import search_text
from chassis.http.bodies import decode
from chassis.masking import SECRET
from chassis.problems import FieldError, ValidationFailed
from chassis.texts import NON_STARTERS_MAX, is_stream_safe, non_starters, stream_safe

PILED = {
    "marks of two classes": "\u0301\u0316" * 10_000,
    "starters that decompose to marks": "\u0f73\u0301" * 10_000,
    "half-width voicing marks": "\uff9e\u0301" * 10_000,
    "a run that begins anywhere": "中" * 17 + "e" + "\u0301" * 31,
}
ALMOST = "e" + "\u0301\u0316" * 15


class Thing(msgspec.Struct):
    names: list[str] = []
    labels: dict[str, str] = {}


def test_every_character_that_can_be_sorted_counts() -> None:
    def marked(code: int) -> bool:
        return unicodedata.combining(unicodedata.normalize("NFKD", chr(code))[0]) != 0

    assert non_starters() == [code for code in range(sys.maxunicode + 1) if marked(code)]


@pytest.mark.parametrize("text", PILED.values(), ids=PILED.keys())
def test_a_text_with_a_longer_run_of_marks_is_refused_wherever_it_is_in_the_body(text: str) -> None:
    assert not is_stream_safe(text)
    for thing, field in (
        (Thing(names=["a", text]), "names.1"),
        (Thing(labels={"a": text}), "labels.a"),
    ):
        plain = msgspec.json.encode(thing)
        escaped = plain.decode().encode("ascii", "backslashreplace")
        for body in (plain, escaped):
            with pytest.raises(ValidationFailed) as refused:
                decode(Thing, body)
            assert [error.field for error in refused.value.errors] == [field]
    with pytest.raises(ValidationFailed):
        search_of(
            page=1, page_size=20, city=None, category=None, q=text[-200:], from_=None, to=None
        )


@pytest.mark.parametrize("text", [ALMOST * 600, "x" * 100, "Zo\u0308e\u0308", "안녕", "สวัสดี่"])
def test_thirty_marks_in_a_row_are_taken(text: str) -> None:
    assert is_stream_safe(text)
    assert decode(Thing, msgspec.json.encode(Thing(names=[text]))).names == [text]


@given(some.text(alphabet="e\u0301\u0316\u0f73中", max_size=120))
def test_a_run_is_found_wherever_it_begins(text: str) -> None:
    runs = re.findall("[\u0301\u0316\u0f73]+", text)
    longest = max(map(len, runs), default=0)
    assert is_stream_safe(text) == (longest <= NON_STARTERS_MAX)
    assert is_stream_safe(stream_safe(text))


def test_what_was_stored_before_is_cut_before_it_is_folded() -> None:
    folded: list[str] = []

    def note(text: str) -> str:
        folded.append(text)
        return text

    search_text(PILED["marks of two classes"], "中" * 20_000, fold=note)
    assert all(map(is_stream_safe, folded))
    assert max(map(len, folded)) <= search_texts.PIECE_MAX + NON_STARTERS_MAX


def test_a_description_folded_in_pieces_is_folded_as_a_whole() -> None:
    for text in ("ＬＩＶＥ 周杰伦 " * 700, "\u1100\u1161\u11a8" * 2000, "ｶﾞ" * 3000, ALMOST * 300):
        assert search_text(text) == fold(text)[: search_texts.SEARCH_TEXT_MAX]


def test_what_folds_to_eighteen_characters_makes_no_search_longer() -> None:
    assert len(search_text("\ufdfa" * 20_000)) == search_texts.SEARCH_TEXT_MAX


def test_an_address_is_looked_for_in_a_log_line_once_a_word() -> None:
    """From within a word nothing is tried, or a long word would cost its length squared."""
    assert SECRET.match("ab@example.com", 1) is None
    for text in ("eyJhbGciOiJF!b@example.com", "x.eyJhbGciOiJF@example.com", "(a@b@example.com)"):
        assert "example" not in SECRET.sub("[redacted]", text)


BOOKING = (
    "orders",
    "payments",
    "refunds",
    "tickets",
    "promo_codes",
    "cancelled_sessions",
    "seats",
    "door",
)
MODULES = [importlib.import_module(f"booking.{room}.wire") for room in BOOKING]
MODULES += [catalog.wire, identity.wire, notification.webhooks.wire]


def _patterns(kind: Any) -> Iterator[str]:
    """Of all texts in a type, as msgspec has understood it."""
    if isinstance(kind, msgspec.inspect.StrType) and kind.pattern:
        yield kind.pattern
    for name in getattr(kind, "__struct_fields__", ()):
        value = getattr(kind, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, msgspec.inspect.Type):
                yield from _patterns(part)
            elif isinstance(part, msgspec.inspect.Field):
                yield from _patterns(part.type)


def test_no_pattern_of_the_api_can_divide_a_text_in_two_ways() -> None:
    """`a*ba*` where b is among a: each division is tried before the text is refused."""
    kinds = [
        kind
        for module in MODULES
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    ]
    patterns = {
        found for kind in msgspec.inspect.multi_type_info(kinds) for found in _patterns(kind)
    }
    assert len(patterns) >= 5
    for pattern in patterns:
        endless = re.findall(r"(\[(?:\\.|[^\]\\])*\]|\\.|[^\\\])])[*+]", pattern)
        assert len(endless) == len(set(endless)), pattern


@given(some.text(alphabet="a \u3000\x00\x7f\n\u202e", max_size=6))
def test_a_line_has_something_to_see_in_it_and_nothing_that_ends_it(text: str) -> None:
    good = set(text) <= set("a \u3000") and text.strip(" ") != ""
    assert bool(re.search(catalog.wire.LINE, text)) == good


def test_findings_beyond_the_answer_are_not_looked_for() -> None:
    looked = iter(range(1_000_000))
    findings = (FieldError(f"areas.{n}", "is wrong") for n in looked)
    with pytest.raises(ValidationFailed) as refused:
        checks.refuse(iter(()), findings)
    assert len(refused.value.errors) == checks.ERRORS_MAX
    assert next(islice(looked, 1)) == checks.ERRORS_MAX
