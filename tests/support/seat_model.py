"""The right answer of best-available (docs/adr/0092), computed in the simple way: looks at every place,
every time.

Seats are a string as in booking/seats/bytes.py, scores a number a position. Positions start at 1.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from booking.domain.scoring import TOP, scores_of_rows
from booking.seats.bytes import layout_of

Areas = Sequence[tuple[int, int]]
KINDS = [".hsb", ":HSB", ";itc", ",ITC"]


class Place(NamedTuple):
    """Adjacent seats. Less is better; of equals the lower positions."""

    lag: tuple[int, ...]
    start: int
    seats: int

    @property
    def positions(self) -> list[int]:
        return list(range(self.start, self.start + self.seats))


def row_scores(seats: str) -> list[int]:
    """The scores of a plan that says no places."""
    return unpacked(scores_of_rows(layout_of(seats.encode())), len(seats))


def unpacked(scores: bytes, length: int) -> list[int]:
    return list(struct.unpack(f">{length}H", scores[: 2 * length]))


def best_place(
    seats: str, scores: Sequence[int], areas: Areas, quantity: int, accessible: int = 0
) -> Place | None:
    """The best adjacent seats, if there are any."""
    found = [
        place
        for first, last in segments(seats, areas)
        for start in range(first, last - quantity + 2)
        if (place := _place(seats, scores, (first, last), start, quantity, accessible)) is not None
    ]
    return min(found, default=None)


def _place(  # noqa: PLR0917
    seats: str,
    scores: Sequence[int],
    segment: tuple[int, int],
    start: int,
    quantity: int,
    accessible: int,
) -> Place | None:
    letters = seats[start - 1 : start - 1 + quantity]
    behind_best = TOP - min(scores[start - 1 : start - 1 + quantity])
    single = leaves_single(seats, segment, start, quantity)
    if accessible:
        if set(letters) - set(".:;") or letters.count(":") < accessible:
            return None
        groups = ["".join(group) for of_kind, group in _grouped(letters) if of_kind]
        if any(":" not in group for group in groups):
            return None  # a companion's seat without whom it is for
        others = min(letters.count("."), 3)
        more = letters.count(":") > accessible
        return Place((more, others, single, behind_best), start, quantity)
    whole = segment == (start, start + quantity - 1) and letters == "," * quantity
    if letters != "." * quantity and not whole:
        return None
    return Place((single and not whole, behind_best), start, quantity)


def _grouped(letters: str) -> Iterator[tuple[bool, Iterator[str]]]:
    return groupby(letters, key=lambda letter: letter in ":;")


def segments(seats: str, areas: Areas) -> Iterator[tuple[int, int]]:
    """First and last position of each stretch between row ends and aisles."""
    for first, last in areas:
        at = first
        for is_gap, group in groupby(seats[first - 1 : last], key=lambda letter: letter in "|/"):
            length = len(list(group))
            if not is_gap:
                yield at, at + length - 1
            at += length


def leaves_single(seats: str, segment: tuple[int, int], start: int, quantity: int) -> bool:
    """True if exactly one free ordinary seat would be left just before or just after a place."""

    def is_free(position: int) -> bool:
        return segment[0] <= position <= segment[1] and seats[position - 1] == "."

    before, after = start - 1, start + quantity
    return (is_free(before) and not is_free(before - 1)) or (
        is_free(after) and not is_free(after + 1)
    )


def newly_single(seats: str, taken: Sequence[int]) -> list[int]:
    """Single free ordinary seats beside these that are not single now."""
    areas = [(1, len(seats))]
    after = with_letters(seats, list(taken), "h")
    return sorted(set(singles(after, areas)) - set(singles(seats, areas)))


def in_two_rows(seats: str, areas: Areas, answer: Sequence[int]) -> bool:
    """Whether these are two runs, one behind the other where the middles of rows are in line."""
    front, rear = answer[: -(-len(answer) // 2)], answer[-(-len(answer) // 2) :]
    both = [(one[-1] - one[0] + 1 == len(one), _row_of(seats, one[0])) for one in (front, rear)]
    (is_run, (number, middle)), (is_other, (next_number, next_middle)) = both
    aside = [abs((seat - middle) - (rear[0] - next_middle)) <= 0.5 for seat in front]
    return is_run and is_other and next_number == number + 1 and any(aside)


def _row_of(seats: str, position: int) -> tuple[int, float]:
    """The number of its row and the row's middle."""
    number = seats[: position - 1].count("|")
    first = seats.rfind("|", 0, position - 1) + 2
    return number, first + (len(seats.split("|")[number]) - 1) / 2


def singles(seats: str, areas: Areas) -> list[int]:
    """Free ordinary seats between taken seats, others than ordinary ones, aisles or row ends."""
    return [
        at
        for first, last in segments(seats, areas)
        for at in range(first, last + 1)
        if seats[at - 1] == "."
        and (at == first or seats[at - 2] != ".")
        and (at == last or seats[at] != ".")
    ]


def free(seats: str, areas: Areas, letter: str = ".") -> list[int]:
    return [at for first, last in areas for at in range(first, last + 1) if seats[at - 1] == letter]


def with_letters(seats: str, positions: list[int], letter: str) -> str:
    """These seats in another state. Each keeps its kind."""
    letters = list(seats)
    state = KINDS[0].index(letter)
    for position in positions:
        kind = next(kind for kind in KINDS if letters[position - 1] in kind)
        letters[position - 1] = kind[state]
    return "".join(letters)


def why_not(  # noqa: PLR0911, PLR0917  an order and its answer
    seats: str,
    scores: Sequence[int],
    areas: Areas,
    quantity: int,
    accessible: int,
    answer: list[int] | str,
    *,
    is_split: bool = False,
    two_rows: bool = False,
) -> str | None:
    """What is wrong with an answer: its seats, or the word `sold_out` or `no_accessible`. None: nothing."""
    place = best_place(seats, scores, areas, quantity, accessible)
    if place is not None:
        right = (place.positions, False)
        return None if (answer, is_split) == right else f"the best is {right}"
    ordinary, special = free(seats, areas), free(seats, areas, ":")
    if answer == "no_accessible":
        return f"{special} are free" if len(special) >= accessible > 0 else None
    if answer == "sold_out":
        enough = len(ordinary) >= quantity - accessible
        return f"{ordinary} are free" if enough and len(special) >= accessible else None
    if not is_split and not (two_rows and not accessible and in_two_rows(seats, areas, answer)):
        return "they are not adjacent"
    if len(set(answer)) != quantity or not set(answer) <= set(
        ordinary + special + free(seats, areas, ";") + free(seats, areas, ",")
    ):
        return "they are not free"
    tables = [
        list(range(first, last + 1))
        for first, last in segments(seats, areas)
        if seats[first - 1] == ","
    ]
    answer = [one for one in answer if not any(one in t and set(t) <= set(answer) for t in tables)]
    kinds = [seats[int(seat) - 1] for seat in answer]
    if kinds.count(":") < accessible or (not accessible and set(kinds) - {"."}):
        return "they are of the wrong kind"
    return None
