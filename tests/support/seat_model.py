"""What best-available must answer, written the plain way: look at everything, every time."""

from itertools import groupby


def free_runs(seats: str, first: int, last: int) -> list[tuple[int, int]]:
    """(start, length) of every free run within an area; positions from 1."""
    runs, at = [], first
    for letter, group in groupby(seats[first - 1 : last]):
        length = len(list(group))
        if letter == ".":
            runs.append((at, length))
        at += length
    return runs


def best_seats(seats: str, area: tuple[int, int], quantity: int) -> list[int] | None:
    """The first run that k seats leave no orphan in; else the first that fits; else the first free."""
    runs = free_runs(seats, *area)
    clean = [start for start, length in runs if length == quantity or length >= quantity + 2]
    fitting = [start for start, length in runs if length >= quantity]
    for start in [*clean[:1], *fitting[:1]]:
        return list(range(start, start + quantity))
    return first_seats(seats, area, quantity)


def first_seats(seats: str, area: tuple[int, int], quantity: int) -> list[int] | None:
    free = [at for at in range(area[0], min(area[1], len(seats)) + 1) if seats[at - 1] == "."]
    return free[:quantity] if len(free) >= quantity else None


def with_letters(seats: str, positions: list[int], letter: str) -> str:
    letters = list(seats)
    for position in positions:
        letters[position - 1] = letter
    return "".join(letters)


def orphans(seats: str, first: int, last: int) -> int:
    """Single free seats between taken ones or row ends."""
    return sum(length == 1 for _, length in free_runs(seats, first, last))
