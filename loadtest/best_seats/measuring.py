"""Fills and sells the halls with each way of choosing seats, and counts."""

import argparse
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from booking.clients.plans import seating_of
from loadtest.bench.cases.holds import Scripts, hold_scripts
from loadtest.best_seats.halls import HALLS

SIZES, WEIGHTS = (1, 2, 3, 4, 5, 6), (10, 50, 12, 18, 5, 5)  # of parties
CLOSE = 0.95  # of the best score


class Hall(msgspec.Struct, frozen=True):
    name: str
    layout: str
    scores: bytes

    def score(self, seat: int) -> int:
        return int.from_bytes(self.scores[2 * seat - 2 : 2 * seat])


class Found(msgspec.Struct):
    """Of one way of choosing: of random fills, how many answers had the best score or nearly, of all places
    and of those that leave no single seat, where there are any; at the end of sales, single seats of all; and
    groups that were split, of all groups."""

    asked: int = 0
    close: int = 0
    close_by_rule: int = 0
    seats: int = 0
    singles: int = 0
    groups: int = 0
    split: int = 0


Choose = Callable[[Hall, str, int], list[int]]  # hall, seats, party


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="a folder of scripts, as booking/seats/lua")
    parser.add_argument("--fills", type=int, default=200, help="random fills of each hall")
    parser.add_argument("--sales", type=int, default=4, help="sales of each hall to its end")
    options = parser.parse_args()
    with hold_scripts(options.against) as scripts:
        names = ["this", "against"]
        ways: dict[str, Choose] = {
            name: _asking(one) for name, one in zip(names, scripts, strict=False)
        }
        ways["first come"] = first_seats
        halls = [_hall(name) for name in HALLS]
        found = {
            (hall.name, way): measure(hall, choose, options.fills, options.sales)
            for hall in halls
            for way, choose in ways.items()
        }
    _print(found)


def measure(hall: Hall, choose: Choose, fills: int, sales: int) -> Found:
    found = Found()
    for number in range(fills):
        dice = random.Random(f"{hall.name} {number}")
        seats, party = _filled(hall, dice), dice.choices(SIZES, WEIGHTS)[0]
        places = together(seats, party)
        if places:
            found.asked += 1
            taken = choose(hall, seats, party)
            clean = [one for one in places if not _leaves_single(seats, one)]
            found.close += _is_close(hall, taken, places)
            found.close_by_rule += (not clean or taken in clean) and _is_close(
                hall, taken, clean or places
            )
    for number in range(sales):
        _sell(hall, choose, random.Random(f"{hall.name} sale {number}"), found)
    return found


def _sell(hall: Hall, choose: Choose, dice: random.Random, found: Found) -> None:
    """Until no pair can sit together: then it counts single seats; then to the last seat."""
    seats, counted = hall.layout, False
    found.seats += seats.count(".")
    while "." in seats:
        party = min(dice.choices(SIZES, WEIGHTS)[0], seats.count("."))
        if not counted and not together(seats, 2):
            found.singles += seats.count(".")
            counted = True
        taken = choose(hall, seats, party)
        found.groups += party > 1
        found.split += not _is_run(taken)
        seats = _with(seats, taken)


def together(seats: str, party: int) -> list[list[int]]:
    """All adjacent free seats for a party."""
    needle = "." * party
    starts = (at for at in range(len(seats) - party + 1) if seats.startswith(needle, at))
    return [list(range(at + 1, at + 1 + party)) for at in starts]


def first_seats(hall: Hall, seats: str, party: int) -> list[int]:
    """What somebody takes who looks from the front row on for seats together, and else takes single ones."""
    found = together(seats, party)
    free = [at + 1 for at, letter in enumerate(seats) if letter == "."]
    return found[0] if found else free[:party]


def _asking(scripts: Scripts) -> Choose:
    return lambda hall, seats, party: scripts.choose(seats.encode(), hall.scores, party)


def _hall(name: str) -> Hall:
    seating = seating_of(HALLS[name]())
    return Hall(name, seating.layout.decode(), seating.scores(seating.layout))


def _filled(hall: Hall, dice: random.Random) -> str:
    """Sold to some degree to parties that sit anywhere."""
    seats, most = hall.layout, dice.uniform(0, 0.97) * hall.layout.count(".")
    while hall.layout.count(".") - seats.count(".") < most:
        places = together(seats, dice.choices(SIZES, WEIGHTS)[0])
        if places:
            seats = _with(seats, dice.choice(places))
    return seats


def _with(seats: str, taken: list[int]) -> str:
    letters = list(seats)
    for seat in taken:
        letters[seat - 1] = "s"
    return "".join(letters)


def _worst(hall: Hall, seats: list[int]) -> int:
    return min(hall.score(seat) for seat in seats)


def _is_close(hall: Hall, taken: list[int], places: list[list[int]]) -> bool:
    best = max(_worst(hall, one) for one in places)
    return _is_run(taken) and _worst(hall, taken) >= CLOSE * best


def _leaves_single(seats: str, place: list[int]) -> bool:
    around = f"||{seats}||"  # so that position p is at p + 1
    before, after = place[0] + 1, place[-1] + 1
    return "." in {
        around[before - 1] * (around[before - 2] != "."),
        around[after + 1] * (around[after + 2] != "."),
    }


def _is_run(seats: list[int]) -> bool:
    return seats[-1] - seats[0] + 1 == len(seats)


def _print(found: dict[tuple[str, str], Found]) -> None:
    table = Table(box=SIMPLE)
    for name in (
        "hall",
        "way",
        "within 5 % of the best",
        "by the rule",
        "single seats of 1,000",
        "groups split of 1,000",
    ):
        table.add_column(name, justify="right" if " of " in name else "left")
    ways = list(dict.fromkeys(way for _, way in found))
    rows = [*found.items(), *((("all", way), _sum(found, way)) for way in ways)]
    for (hall, way), one in rows:
        table.add_row(
            hall,
            way,
            f"{one.close / one.asked:.1%}",
            f"{one.close_by_rule / one.asked:.1%}",
            f"{1000 * one.singles / one.seats:.1f}",
            f"{1000 * one.split / one.groups:.1f}",
        )
    Console(width=110).print(table)


def _sum(found: dict[tuple[str, str], Found], way: str) -> Found:
    some = [one for (_, its), one in found.items() if its == way]
    return Found(*(sum(getattr(one, name) for one in some) for name in Found.__struct_fields__))
