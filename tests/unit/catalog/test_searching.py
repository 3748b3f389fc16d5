"""What a search may ask, and what finds what."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from catalog.domain.searching import (
    Search,
    check_order,
    fold,
    parse_moment,
    storable,
    words_of,
)
from catalog.search_texts import AT_ONCE_MAX, search_text, searched_by
from chassis.problems import ValidationFailed


def test_case_and_width_make_no_difference() -> None:
    assert fold(" ＬＩＶＥ Straße ") == fold("live STRASSE")


def test_words_are_parted_by_any_space() -> None:
    assert words_of("  周杰伦　Live  ") == ("周杰伦", "live")
    assert words_of("   ") == ()


def test_no_word_reaches_from_one_field_into_the_next() -> None:
    assert "ab" not in search_text("a", "b")


@pytest.mark.parametrize(
    ("length", "others_run"), [(AT_ONCE_MAX, False), (AT_ONCE_MAX + 1, True), (500_000, True)]
)
def test_a_long_text_is_folded_while_others_run(length: int, others_run: bool) -> None:
    """A short one at once, which costs less than a thread."""
    text, free = "Ａ" * length, threading.Event()

    async def fold() -> None:
        """On a loop whose only thread is busy."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, free.wait)
        folding = asyncio.ensure_future(searched_by(text))
        await asyncio.sleep(0)  # it has begun; what runs on the event loop has ended as well
        assert folding.done() is not others_run
        free.set()
        await busy
        assert await folding == search_text(text)

    asyncio.run(fold())


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_moment_asks_nothing(nothing: str | None) -> None:
    assert parse_moment("from", nothing) is None


def test_a_day_and_a_time_are_told_apart() -> None:
    assert parse_moment("from", "2026-12-24") == date(2026, 12, 24)
    assert parse_moment("from", "2026-12-24T19:30:00Z") == datetime(
        2026, 12, 24, 19, 30, tzinfo=UTC
    )
    shanghai = timezone(timedelta(hours=8))
    # a plus that the client forgot to percent-encode arrives as a space
    for text in ("2026-12-24T19:30:00+08:00", "2026-12-24T19:30:00 08:00"):
        assert parse_moment("to", text) == datetime(2026, 12, 24, 19, 30, tzinfo=shanghai)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "2026-13-01",
        "2026-02-30",
        "2026-W52-4",
        "20261224",
        "2026-12-24T19:30:00",
        "0001-01-01",
        "9999-12-31T23:59:59Z",
        "２０２６-12-24",
        "1",
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        parse_moment("from", text)
    assert [error.field for error in refused.value.errors] == ["from"]


def test_a_span_may_not_end_before_it_starts() -> None:
    day = date(2026, 12, 24)
    night = datetime(2026, 12, 23, 20, tzinfo=UTC)  # already the 24th in Shanghai
    check_order(day, day)
    check_order(None, day)
    check_order(day, night)
    check_order(night, night)
    for start, end in [
        (day, day - timedelta(days=1)),
        (night, night - timedelta(seconds=1)),
        (day + timedelta(days=1), night),
    ]:
        with pytest.raises(ValidationFailed):
            check_order(start, end)


def test_equal_searches_are_one_cache_entry() -> None:
    one = Search.between(date(2026, 1, 1), None, words=words_of("周杰伦"))
    other = Search.between(date(2026, 1, 1), None, words=words_of(" 周杰伦 "))
    assert {one: 1}[other] == 1


def test_what_postgresql_cannot_hold_is_refused() -> None:
    for text in ("a\x00b", "\ud800", "x" * 201):
        with pytest.raises(ValidationFailed):
            storable("q", text, 200)
    assert storable("q", None, 200) == ""
    assert storable("q", "50%_off", 200) == "50%_off"
