"""The right answer of best-available (docs/adr/0032), computed in the simple way: checks everything,
every time.

Seats are a string as in booking/seats/bytes.py: `.` and `:` are free, ordinary and accessible; `|` ends a
row.
"""

from collections.abc import Iterator
from itertools import groupby

Area = tuple[int, int]
ACCESSIBLE = {".": ":", "h": "H", "s": "S", "b": "B"}


def best_seats(seats: str, area: Area, quantity: int, kind: str = "seats") -> list[int] | str:
    """The seats, or the result word of the script."""
    ordinary, accessible = _free(seats, area, "."), _free(seats, area, ":")
    if kind == "standing":
        return ordinary[:quantity] if len(ordinary) >= quantity else "sold_out"
    if kind == "accessible" and not accessible:
        return "no_accessible"
    if len(ordinary) + len(accessible) < quantity:
        return "sold_out"
    if kind == "seats" and len(ordinary) >= quantity:
        return _adjacent(seats, area, quantity) or ordinary[:quantity]
    together = _with_accessible(seats, area, quantity, fewest=kind == "seats")
    first, then = (ordinary, accessible) if kind == "seats" else (accessible, ordinary)
    return together or sorted([*first, *then][:quantity])


def _adjacent(seats: str, area: Area, quantity: int) -> list[int] | None:
    """The first row with a place that leaves no orphan, else the first with a place; nearest the row's
    middle."""
    for clean in (True, False):
        for row in rows(seats, area):
            places = [
                start
                for start in places_in(seats, row, quantity, ".")
                if not clean or not leaves_single(seats, row, start, quantity, ".")
            ]
            if places:
                start = min(places, key=lambda at: (off_middle(row, at, quantity), at))
                return list(range(start, start + quantity))
    return None


def _with_accessible(seats: str, area: Area, quantity: int, *, fewest: bool) -> list[int] | None:
    """The first row with a place that has accessible seats: as many as possible, or as few as
    possible."""
    for row in rows(seats, area):

        def rank(start: int, row: Area = row) -> tuple[int, bool, int, int]:
            count = seats[start - 1 : start - 1 + quantity].count(":")
            single = leaves_single(seats, row, start, quantity, ".:")
            return (count if fewest else -count, single, off_middle(row, start, quantity), start)

        places = [
            start
            for start in places_in(seats, row, quantity, ".:")
            if ":" in seats[start - 1 : start - 1 + quantity]
        ]
        if places:
            start = min(places, key=rank)
            return list(range(start, start + quantity))
    return None


def rows(seats: str, area: Area) -> Iterator[Area]:
    """First and last position of each row of an area, including aisles."""
    at, last = area[0], min(area[1], len(seats))
    for is_end, group in groupby(seats[at - 1 : last], key=lambda letter: letter == "|"):
        length = len(list(group))
        if not is_end:
            yield at, at + length - 1
        at += length


def places_in(seats: str, row: Area, quantity: int, free: str) -> list[int]:
    return [
        start
        for start in range(row[0], row[1] - quantity + 2)
        if all(letter in free for letter in seats[start - 1 : start - 1 + quantity])
    ]


def leaves_single(seats: str, row: Area, start: int, quantity: int, free: str) -> bool:
    """True if exactly one free seat would be left just before or just after a place."""

    def is_free(position: int) -> bool:
        return row[0] <= position <= row[1] and seats[position - 1] in free

    before, after = start - 1, start + quantity
    return (is_free(before) and not is_free(before - 1)) or (
        is_free(after) and not is_free(after + 1)
    )


def off_middle(row: Area, start: int, quantity: int) -> int:
    """Distance from the middle of a place to the middle of its row, in half positions."""
    return abs(start + start + quantity - 1 - sum(row))


def free_runs(seats: str, first: int, last: int) -> list[tuple[int, int]]:
    """(start, length) of every run of free ordinary seats in an area. Positions start at 1."""
    runs, at = [], first
    for letter, group in groupby(seats[first - 1 : last]):
        length = len(list(group))
        if letter == ".":
            runs.append((at, length))
        at += length
    return runs


def _free(seats: str, area: Area, letter: str) -> list[int]:
    return [at for at in range(area[0], min(area[1], len(seats)) + 1) if seats[at - 1] == letter]


def first_seats(seats: str, area: Area, quantity: int) -> list[int] | None:
    free = _free(seats, area, ".")
    return free[:quantity] if len(free) >= quantity else None


def with_letters(seats: str, positions: list[int], letter: str) -> str:
    """These seats in another state. Accessible seats stay accessible."""
    letters = list(seats)
    for position in positions:
        accessible = letters[position - 1] in ACCESSIBLE.values()
        letters[position - 1] = ACCESSIBLE[letter] if accessible else letter
    return "".join(letters)


def orphans(seats: str, first: int, last: int) -> int:
    """Single free ordinary seats between taken seats, accessible seats, aisles or row ends."""
    return sum(length == 1 for _, length in free_runs(seats, first, last))
