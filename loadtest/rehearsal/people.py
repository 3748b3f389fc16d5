"""The crowd: when each arrives, what they want, and whether they pay. The same seed gives the same people."""

import math
import random
from collections.abc import Sequence

from loadtest.plan import Person, TokenFault
from loadtest.rehearsal.asking import Asked, Curve, Fault

# A party's seats: alone, in pairs, groups.
PARTIES = {1: 0.25, 2: 0.5, 3: 0.1, 4: 0.15}
AT_ONCE_S = (0.2, 2.0)  # how long people need to pay who do not hesitate
LATE_S = (5.0, 20.0)
ASYNC_SHARE = 0.2  # pay by a method that is confirmed by a callback
LAST_OCTET_MAX = 250
NOT_LATER_S = 3.0  # before the end, so that the last payment is still answered


def crowd(
    asked: Asked, curve: Curve, capacities: Sequence[int], *, per_person_max: int
) -> list[Person]:
    """`capacities`: free seats of each area, in order. People prefer large areas."""
    chance = random.Random(asked.seed)
    arrivals = arrivals_of(curve, asked.people)
    parties = {seats: share for seats, share in PARTIES.items() if seats <= per_person_max}
    people = []
    for arrives_s in arrivals:
        pays = chance.random()
        pays_after_s: float | None = None
        if pays >= asked.abandon:
            span = LATE_S if pays < asked.abandon + asked.late else AT_ONCE_S
            latest_s = max(0.0, asked.seconds - NOT_LATER_S - arrives_s)
            pays_after_s = min(chance.uniform(*span), latest_s)
        people.append(
            Person(
                arrives_s=arrives_s,
                seats=chance.choices(list(parties), list(parties.values()))[0],
                areas=_in_order_of_liking(capacities, chance),
                pays_after_s=pays_after_s,
                token="tok_async" if chance.random() < ASYNC_SHARE else "tok_ok",
            )
        )
    chance.shuffle(people)
    return people


def arrivals_of(curve: Curve, people: int) -> list[float]:
    """Seconds after the opening, ascending: the curve's quantiles, so that a small crowd keeps its shape."""
    total = sum(step.share for step in curve.steps)
    arrivals: list[float] = []
    passed = 0.0
    for step in curve.steps:
        passed += step.share
        count = round(people * passed / total) - len(arrivals)
        for number in range(count):
            part = (number + 0.5) / count
            arrivals.append(step.from_s + step.for_s * (math.sqrt(part) if step.grows else part))
    return arrivals


def _in_order_of_liking(capacities: Sequence[int], chance: random.Random) -> list[int]:
    """Areas with seats, drawn by their size without putting back."""
    drawn = [
        (chance.random() ** (1 / capacity), place)
        for place, capacity in enumerate(capacities)
        if capacity > 0
    ]
    return [place for _, place in sorted(drawn, reverse=True)]


def token_faults(faults: Sequence[Fault], seconds: float) -> list[TokenFault]:
    """Those of the provider, as the crowd's payments carry them out."""
    return [
        TokenFault(
            one.token, one.at_s, seconds if one.for_s is None else one.at_s + one.for_s, one.share
        )
        for one in faults
        if one.token
    ]


def source_of(number: int) -> str:
    """An address on loopback for each person: 127.1.0.1 and up."""
    rest, last = divmod(number, LAST_OCTET_MAX)
    second, third = divmod(rest, 256)
    return f"127.{second + 1}.{third}.{last + 1}"
