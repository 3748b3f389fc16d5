"""Best-available (docs/adr/0032): adjacent, best row first, nearest its middle, no orphan where one can be
avoided, no accessible seat unless asked; and nothing passed over, whatever is held and released.
"""

import random
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking.seats.bytes import layout_of
from booking.seats.holds import Kind, SeatHolds
from booking.seats.outcomes import Held, NoAccessible, SoldOut
from chassis.ids import uuid7
from tests.support.seat_model import best_seats, first_seats, free_runs, orphans, with_letters
from tests.support.seats import DictTruth, best, exact, letters, seat_holds, seats_of

KINDS: list[Kind] = ["seats", "seats", "seats", "accessible"]


@pytest.fixture
def truth() -> DictTruth:
    return DictTruth()


@pytest.fixture
async def holds(redis_url: str, truth: DictTruth) -> AsyncIterator[SeatHolds]:
    async with seat_holds(redis_url, truth) as made:
        yield made


@pytest.mark.parametrize(
    ("layout", "quantity", "expected"),
    [
        ("..........", 2, [5, 6]),  # the middle
        (".....", 1, [3]),
        ("..........", 1, [5]),  # of two as near, the lower
        ("........|..........", 4, [3, 4, 5, 6]),  # the first row, though the second is as free
        (".......ss...", 2, [6, 7]),  # of the row's middle, not of the run's
        ("....../..", 2, [5, 6]),  # an aisle is a part of the row; 6 is not left alone before it
        ("..../....", 2, [3, 4]),  # and as near to both its sides
        ("ssss/....", 2, [6, 7]),
        ("...|....", 2, [5, 6]),  # the first row would keep an orphan, and the second's middle two
        ("...|...", 2, [1, 2]),  # every choice leaves one
        (".s|....", 1, [1]),  # fills the odd hole
        ("..s|....", 1, [5]),  # 1 or 2 would leave an orphan
        ("......", 2, [3, 4]),
        (".......", 2, [3, 4]),
        ("..ss....", 2, [5, 6]),  # not 6 and 7, which leave 5 alone
        ("...s.ss...", 1, [5]),
        ("..|..", 3, [1, 2, 4]),  # nothing adjacent is left
        ("../..", 3, [1, 2, 4]),
        ("s.s|ss.", 2, [2, 7]),
        (".....", 4, [1, 2, 3, 4]),
        ("....................", 20, list(range(1, 21))),
    ],
)
async def test_it_takes_what_a_good_clerk_would(
    holds: SeatHolds, truth: DictTruth, layout: str, quantity: int, expected: list[int]
) -> None:
    session_id = publish(truth, layout)
    assert seats_of(await best(holds, session_id, (1, len(layout)), quantity)) == expected


@pytest.mark.parametrize(
    ("layout", "quantity", "kind", "expected"),
    [
        ("...:...", 1, "seats", [3]),  # though the accessible one is the middle
        ("..:..|....", 2, "seats", [1, 2]),
        ("s:.:s|sss", 1, "seats", [3]),
        (".:..|....", 3, "seats", [6, 7, 8]),
        (".s::|s.", 2, "seats", [1, 7]),  # apart, before beside one who has not asked
        ("sh::|s.", 2, "seats", [3, 4]),  # one ordinary seat is too few
        (".::s|ss", 2, "seats", [1, 2]),  # as few accessible ones as that
        (":s:s|.s", 2, "seats", [1, 6]),  # nothing adjacent: the ordinary one first
        (":s:s|.s", 3, "seats", [1, 3, 6]),
        (":s:s|.s", 4, "seats", "sold_out"),
        (":....:", 1, "accessible", [1]),
        ("s....:", 1, "accessible", [6]),
        (":....::", 2, "accessible", [6, 7]),  # the most accessible ones
        (":.....|...::...", 2, "accessible", [1, 2]),  # rows in order
        ("..:...|", 2, "accessible", [3, 4]),  # nearest the middle
        (":s..", 2, "accessible", [1, 3]),  # none beside it: apart
        ("....|..s", 1, "accessible", "no_accessible"),
        ("....|..H", 2, "accessible", "no_accessible"),
        ("s:s", 2, "accessible", "sold_out"),
    ],
)
async def test_accessible_seats_are_for_who_asks_and_for_others_when_nothing_else_is_left(  # noqa: PLR0917
    holds: SeatHolds,
    truth: DictTruth,
    layout: str,
    quantity: int,
    kind: Kind,
    expected: list[int] | str,
) -> None:
    session_id = publish(truth, layout)
    answer = await best(holds, session_id, (1, len(layout)), quantity, kind=kind)
    assert said(answer) == expected


async def test_a_seat_stays_accessible_whatever_becomes_of_it(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, order_id = truth.publish("..:|./.:"), uuid7()
    seats_of(await exact(holds, session_id, [2, 3, 8], order_id=order_id))
    assert await letters(holds, session_id) == ".hH|./.H"
    await holds.release(session_id, order_id)
    assert await letters(holds, session_id) == "..:|./.:"
    seats_of(await exact(holds, session_id, [3, 7, 8], order_id=order_id))
    await holds.sell(session_id, order_id)
    assert await letters(holds, session_id) == "..S|./sS"
    await holds.free(session_id, [(3, "s", ""), (7, "s", "")])
    await holds.block(session_id, [1, 3, 6, 8])
    assert await letters(holds, session_id) == "b.B|./.B"
    await holds.unblock(session_id, [1, 3])
    assert await letters(holds, session_id) == "..:|./.B"
    assert (await holds.state(session_id))[1] == b".....b"


def publish(truth: DictTruth, letters: str) -> UUID:
    """A session that has been sold as far as these bytes say."""
    session_id = truth.publish(layout_of(letters.encode()).decode())
    taken = [n + 1 for n, letter in enumerate(letters) if letter in "hsbHSB"]
    truth.claim(session_id, taken, "sold")
    return session_id


def said(answer: object) -> list[int] | str:
    """An answer as the model gives it."""
    match answer:
        case Held(seats=seats):
            return seats
        case SoldOut():
            return "sold_out"
        case NoAccessible():
            return "no_accessible"
    raise AssertionError(answer)


async def test_a_row_sells_without_an_orphan_to_the_last_pair(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("|".join(["." * 10] * 3))
    for _ in range(15):
        seats_of(await best(holds, session_id, (1, 32), 2))
        assert orphans(await letters(holds, session_id), 1, 32) == 0
    assert await best(holds, session_id, (1, 32), 2) == SoldOut()


async def test_it_stays_within_its_area(holds: SeatHolds, truth: DictTruth) -> None:
    session_id = truth.publish("....|....|....")
    assert seats_of(await best(holds, session_id, (6, 9), 4)) == [6, 7, 8, 9]
    assert await best(holds, session_id, (6, 9), 1) == SoldOut()
    assert seats_of(await best(holds, session_id, (11, 14), 1)) == [11]


async def test_standing_places_are_the_first_that_are_free(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("." * 10)
    seats_of(await exact(holds, session_id, [2, 4]))
    assert seats_of(await best(holds, session_id, (1, 10), 3, kind="standing")) == [1, 3, 5]
    assert seats_of(await best(holds, session_id, (1, 10), 5, kind="standing")) == [6, 7, 8, 9, 10]
    assert await best(holds, session_id, (1, 10), 1, kind="standing") == SoldOut()


async def test_a_released_seat_is_found_again_though_it_lies_behind(
    holds: SeatHolds, truth: DictTruth
) -> None:
    layout = "|".join(["." * 20] * 150)
    area, order_id = (1, len(layout)), uuid7()
    session_id = truth.publish(layout)
    assert seats_of(await best(holds, session_id, area, 20, order_id=order_id))[0] == 1
    while not isinstance(await best(holds, session_id, area, 20), SoldOut):
        pass
    await holds.release(session_id, order_id)
    assert seats_of(await best(holds, session_id, area, 6)) == [8, 9, 10, 11, 12, 13]
    assert seats_of(await best(holds, session_id, area, 7)) == list(range(1, 8))
    assert await best(holds, session_id, area, 8) == SoldOut()


async def test_a_released_accessible_seat_is_found_again_though_it_lies_behind(
    holds: SeatHolds, truth: DictTruth
) -> None:
    layout = "|".join([":.." + "." * 17] * 150)
    area, order_id = (1, len(layout)), uuid7()
    session_id = truth.publish(layout)
    how = {"kind": "accessible"}
    assert seats_of(await best(holds, session_id, area, 2, order_id=order_id, **how)) == [1, 2]
    while not isinstance(await best(holds, session_id, area, 2, **how), NoAccessible):
        pass
    await holds.release(session_id, order_id)
    assert seats_of(await best(holds, session_id, area, 3, **how)) == [1, 2, 3]
    assert await best(holds, session_id, area, 1, **how) == NoAccessible()


async def test_accessible_seats_apart_leave_the_ordinary_ones_to_be_found(
    holds: SeatHolds, truth: DictTruth
) -> None:
    """Found by the model: who got accessible seats alone moved the place where others are looked for."""
    session_id, area = publish(truth, ":s:|.s.|.s"), (1, 10)
    assert seats_of(await best(holds, session_id, area, 2, kind="accessible")) == [1, 3]
    assert seats_of(await best(holds, session_id, area, 3)) == [5, 7, 9]


async def test_the_longest_row_is_looked_at_as_a_whole(holds: SeatHolds, truth: DictTruth) -> None:
    """More bytes than are read of a row at first, and than are read again."""
    layout = "s" * 80 + "|" + "./" * 250 + "." * 250 + "|" + "." * 20
    session_id = publish(truth, layout)
    [start, _] = seats_of(await best(holds, session_id, (1, len(layout)), 2))
    assert start == 82 + 500, "the middle is an aisle's; the nearest pair is the first of the block"


def layouts() -> st.SearchStrategy[str]:
    """Rows of several lengths with taken seats here and there; some longer than one chunk read."""
    row = st.text(alphabet="...s", min_size=1, max_size=12)
    return st.tuples(
        st.sampled_from([0, 0, 0, 250, 600]), st.lists(row, min_size=1, max_size=6)
    ).map(lambda parts: "s" * parts[0] + "|".join(parts[1]))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(layout=layouts(), quantity=st.integers(1, 6))
async def test_an_orphan_is_left_only_if_every_choice_leaves_one(
    holds: SeatHolds, truth: DictTruth, layout: str, quantity: int
) -> None:
    session_id = truth.publish(layout.replace("s", "."))
    truth.claim(session_id, [n + 1 for n, letter in enumerate(layout) if letter == "s"], "sold")
    area = (1, len(layout))
    runs = [(start, length) for start, length in free_runs(layout, *area) if length >= quantity]
    answer = await best(holds, session_id, area, quantity)
    if not runs:
        expected = first_seats(layout, area, quantity)
        assert answer == SoldOut() if expected is None else seats_of(answer) == expected
        return
    seats = seats_of(answer)
    assert seats == list(range(seats[0], seats[0] + quantity)), "not adjacent"
    before = orphans(layout, *area)
    least = min(
        orphans(with_letters(layout, list(range(at, at + quantity)), "h"), *area) - before
        for start, length in runs
        for at in range(start, start + length - quantity + 1)
    )
    left = orphans(await letters(holds, session_id), *area) - before
    assert left <= max(least, 0)


def a_hall(dice: random.Random) -> str:
    """Rows of many lengths, some with aisles, some with accessible seats."""
    rows = []
    for _ in range(dice.choice([3, 40, 120])):
        row = ["."] * dice.randint(1, 30)
        for _ in range(dice.choice([0, 0, 1, 4])):
            row[dice.randrange(len(row))] = ":"
        for _ in range(dice.choice([0, 1, 2])):
            row.insert(dice.randint(1, len(row)), "/")
        rows.append("".join(row).strip("/"))
    return "|".join(rows).replace("//", "/")


@pytest.mark.parametrize("seed", range(8))
async def test_cursors_pass_over_nothing_whatever_is_held_and_released(
    holds: SeatHolds, truth: DictTruth, seed: int
) -> None:
    """Every answer of a long random sale equals a search of all seats from the beginning."""
    dice = random.Random(seed)
    seats = a_hall(dice)
    session_id, area = truth.publish(seats), (1, len(seats))
    orders = []
    for step in range(600):
        if orders and dice.random() < 0.35:
            order_id, held = orders.pop(dice.randrange(len(orders)))
            await holds.release(session_id, order_id)
            seats = with_letters(seats, held, ".")
            continue
        order_id, quantity = uuid7(), dice.choice([1, 1, 2, 2, 2, 3, 4, 5, 9])
        free = [at for at in range(1, len(seats) + 1) if seats[at - 1] in ".:"]
        if dice.random() < 0.3 and free:
            wanted = sorted(dice.sample(free, min(quantity, len(free))))
            held = seats_of(await exact(holds, session_id, wanted, order_id=order_id))
        else:
            kind = dice.choice(KINDS)
            expected = best_seats(seats, area, quantity, kind)
            answer = await best(holds, session_id, area, quantity, order_id=order_id, kind=kind)
            assert said(answer) == expected, f"step {step}: {quantity} {kind} of {seats}"
            if isinstance(expected, str):
                continue
            held = expected
        seats = with_letters(seats, held, "h")
        orders.append((order_id, held))
    assert await letters(holds, session_id) == seats
