"""A seat as people read it: the same in mails, on paper, in calendars, at the door and on our pages."""

import msgspec

from chassis.languages import texts


class SeatWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`seats.toml` of a language. `row_word`, `standing_word`: what says so in a name that has it already."""

    seat: str
    row: str
    row_word: str
    standing: str
    standing_word: str


SEAT_WORDS = texts("seats.toml", SeatWords)


def seat_line(area: str, row: str, number: int, language: str) -> str:
    """`VIP A区 3排12座`; a standing place has no row, and its number is nothing that people look for."""
    words = SEAT_WORDS[language]
    if row:
        said = row if words.row_word in row.lower() else words.row.format(row=row)
        return words.seat.format(area=area, row=said, number=number)
    return area if words.standing_word in area.lower() else words.standing.format(area=area)
