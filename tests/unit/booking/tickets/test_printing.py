"""The page of a ticket and its calendar entry: what a reader finds in them, and what nothing breaks."""

from datetime import UTC, datetime
from typing import Any

import icalendar
import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking.tickets.printing.calendar import Entry, calendar_of
from booking.tickets.printing.page import draw_ticket
from booking.tickets.printing.print import Print
from booking.tickets.printing.typesetting import ELLIPSIS, MISSING, fitted, lines_of, printable
from booking.tickets.printing.words import WORDS
from chassis.languages import LANGUAGES
from contracts.seats import seat_line

TICKET: dict[str, Any] = {
    "language": "zh",
    "ticket_id": "01890000-0000-7000-8000-000000000001",
    "order_no": "261121000042",
    "title": "周杰伦 2026 世界巡回演唱会",
    "venue": "上海体育场",
    "starts_at": datetime(2026, 8, 15, 11, 30, tzinfo=UTC),
    "time_zone": "Asia/Shanghai",
    "area": "VIP A区",
    "row": "3",
    "number": 12,
    "category_name": None,
    "proof": None,
    "code": f"ST1.a1b2c3d4.{'A' * 43}.{'b' * 86}",
    "void": False,
}


def text_of(pdf: bytes) -> str:
    """What copying the whole page gives."""
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 1
    text: str = document[0].get_textpage().get_text_bounded()
    document.close()
    return text


@pytest.mark.parametrize(
    ("language", "when"),
    [("zh", "2026年8月15日 星期六 19:30"), ("en", "Saturday, 15 August 2026, 19:30")],
)
def test_the_page_says_what_a_door_needs_in_text_that_can_be_copied(
    language: str, when: str
) -> None:
    page = draw_ticket(Print(**TICKET | {"language": language}))
    said = text_of(page)
    for words in ("周杰伦 2026 世界巡回演唱会", "上海体育场", "VIP A区", "261121000042"):
        assert words in said
    assert when in said  # the venue's time, not UTC
    assert "Asia/Shanghai, UTC+08:00" in said
    assert len(page) < 40_000, "the font is cut down to what is used"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_everything_in_its_readers_language_and_nothing_is_cut(language: str) -> None:
    words = WORDS[language]
    said = text_of(draw_ticket(Print(**TICKET | {"language": language, "order_no": "42"})))
    for text in (words.kind, words.area, words.row, words.seat, *words.notes):
        assert text in said
    assert words.order.format(order_no="42") in said
    assert MISSING not in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("row", ["3", ""])
def test_whom_it_is_for_and_what_to_bring_are_printed(language: str, row: str) -> None:
    words = WORDS[language]
    child = {
        "language": language,
        "row": row,
        "category_name": "学生 Student",
        "proof": "学生证 ID",
    }
    said = text_of(draw_ticket(Print(**TICKET | child)))
    for text in (words.category, "学生 Student", words.proof.format(proof="学生证 ID")):
        assert text in said
    assert MISSING not in said
    plain = text_of(draw_ticket(Print(**TICKET | {"language": language, "row": row})))
    assert words.category not in plain


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_standing_place_is_printed_without_a_number(language: str) -> None:
    words = WORDS[language]
    standing = {"language": language, "area": "内场", "row": "", "number": 4711}
    said = text_of(draw_ticket(Print(**TICKET | standing)))
    assert words.standing in said
    assert words.entry in said
    for word in ("4711", words.seat, words.row):
        assert word not in said.replace(words.standing, "").replace("".join(words.notes), "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_void_ticket_says_so_and_has_no_code(language: str) -> None:
    live, void = (
        draw_ticket(Print(**TICKET | {"language": language, "void": void}))
        for void in (False, True)
    )
    assert WORDS[language].void in text_of(void)
    assert WORDS[language].void not in text_of(live)
    dark = [_dark_share(page) for page in (live, void)]
    assert dark[0] > 0.3, dark
    assert dark[1] < 0.15, dark


def _dark_share(pdf: bytes) -> float:
    """How much of the place of the code is black."""
    document = pypdfium2.PdfDocument(pdf)
    picture = document[0].render(scale=1).to_pil().convert("L")
    width, height = picture.size
    middle = picture.crop(
        (int(width * 0.33), int(height * 0.6), int(width * 0.67), int(height * 0.82))
    )
    document.close()
    pixels = middle.tobytes()
    return sum(pixel < 100 for pixel in pixels) / len(pixels)


def test_what_the_font_lacks_is_seen_and_breaks_nothing() -> None:
    odd = "Café Ночь 🎤👨‍👩‍👧 שלום 龘 Việt Nam"
    said = text_of(draw_ticket(Print(**TICKET | {"title": odd, "row": ""})))
    assert "Café Ночь" in said
    assert "Việt Nam" in said
    assert MISSING in said
    assert printable("e\u0301🎤\u200d\ufe0f\x00\ud800 x") == f"é{MISSING} x"


ANYTHING = st.text(st.characters(exclude_categories=[]), max_size=200)


@given(ANYTHING)
def test_whatever_is_typed_is_printable_and_fits(text: str) -> None:
    clean = printable(text)
    assert printable(clean) == clean
    _, lines = fitted(clean, lambda part, size: len(part) * size, 12, [(2, 1), (1, 3)])
    assert len(lines) <= 3
    assert all(len(line) <= 12 for line in lines)


@settings(max_examples=5, deadline=None)
@given(ANYTHING, st.text(max_size=100), st.text(max_size=20))
def test_no_text_breaks_a_page(title: str, area: str, row: str) -> None:
    page = draw_ticket(Print(**TICKET | {"title": title, "venue": area, "area": area, "row": row}))
    assert page.startswith(b"%PDF-")


def test_lines_break_round_chinese_and_between_words() -> None:
    def most(text: str) -> float:
        return len(text)

    assert lines_of("世界巡回演唱会", most, 3) == ["世界巡", "回演唱", "会"]
    assert lines_of("the world tour", most, 9) == ["the world", "tour"]
    assert lines_of("《牡丹亭》，上本", most, 5) == ["《牡丹", "亭》，上本"]
    assert lines_of("abcdefgh", most, 3) == ["abc", "def", "gh"]
    assert lines_of("", most, 3) == []


def test_a_text_too_long_for_the_smallest_size_ends_with_an_ellipsis() -> None:
    size, lines = fitted("字" * 50, lambda text, size: len(text) * size, 10, [(2, 1), (1, 2)])
    assert (size, lines) == (1, ["字" * 10, "字" * 9 + ELLIPSIS])
    assert fitted("字" * 4, lambda text, size: len(text) * size, 10, [(2, 1), (1, 2)])[0] == 2


ENTRY: dict[str, Any] = {
    "language": "zh",
    "uid": "ticket-1@stampede",
    "title": "牡丹亭; 上, 下\r\nBEGIN:VALARM",
    "venue": "上海体育场",
    "starts_at": datetime(2026, 8, 15, 11, 30, tzinfo=UTC),
    "changed_at": datetime(2026, 1, 1, tzinfo=UTC),
    "order_no": "261121000042",
    "seats": [
        seat_line("VIP A区", "3", 12, "zh"),
        seat_line("内场", "", 7, "zh"),
        seat_line("内场站席", "", 8, "zh"),
    ],
    "url": "http://x/#/orders/1",
    "cancelled": False,
}


def test_a_calendar_entry_is_read_back_as_it_was_meant() -> None:
    raw = calendar_of(Entry(**ENTRY))
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    (event,) = icalendar.Calendar.from_ical(raw).walk("VEVENT")
    assert event["SUMMARY"] == "牡丹亭; 上, 下  BEGIN:VALARM"
    assert event["LOCATION"] == "上海体育场"
    assert event["UID"] == "ticket-1@stampede"
    assert event.decoded("DTSTART") == ENTRY["starts_at"]
    said = "VIP A区 3排12座\n内场 站席\n内场站席\n订单 261121000042"
    assert event["DESCRIPTION"] == said
    assert event["STATUS"] == "CONFIRMED"
    assert calendar_of(Entry(**ENTRY)) == raw, "the same entry is the same bytes"
    gone = icalendar.Calendar.from_ical(calendar_of(Entry(**ENTRY | {"cancelled": True})))
    assert gone.walk("VEVENT")[0]["STATUS"] == "CANCELLED"


def test_a_calendar_entry_says_its_order_in_its_readers_language() -> None:
    raw = calendar_of(Entry(**ENTRY | {"language": "en", "seats": ["A, row 1, seat 2"]}))
    calendar = icalendar.Calendar.from_ical(raw)
    assert calendar["PRODID"] == "-//Stampede//Tickets//EN"
    (event,) = calendar.walk("VEVENT")
    assert event["DESCRIPTION"] == "A, row 1, seat 2\nOrder 261121000042"


@pytest.mark.parametrize("ends_a_line", ["\n", "\r\n", "\x0b", "\x85", "\u2028", "\u2029"])
def test_no_title_begins_a_line_of_a_calendar(ends_a_line: str) -> None:
    """Not for readers either that split text at every line end that Unicode knows."""
    title = f"牡丹亭{ends_a_line}ATTACH:https://evil.example/"
    text = calendar_of(Entry(**ENTRY | {"title": title, "seats": [title]})).decode()
    assert not any(line.startswith("ATTACH") for line in text.splitlines())
    assert sum(line.startswith("SUMMARY:") for line in text.splitlines()) == 1
