"""Best-available: adjacent, best row first, no orphan where one can be avoided, nothing passed over."""

import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking.seats.answers import SoldOut
from booking.seats.holds import SeatHolds
from chassis.ids import uuid7
from tests.support.seat_model import best_seats, first_seats, free_runs, orphans, with_letters
from tests.support.seats import DictTruth, best, exact, letters, seat_holds, seats_of


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
        ("....|....", 2, [1, 2]),
        ("...|....", 2, [5, 6]),  # the first row would keep an orphan
        ("...|...", 2, [1, 2]),  # every choice leaves one
        (".s|....", 1, [1]),  # fills the odd hole
        ("..s|....", 1, [5]),  # 1 would leave an orphan at 2
        ("..|..", 3, [1, 2, 4]),  # nothing adjacent is left
        ("s.s|ss.", 2, [2, 7]),
        (".....", 4, [1, 2, 3, 4]),
        ("....................", 20, list(range(1, 21))),
    ],
)
async def test_it_takes_what_a_good_clerk_would(
    holds: SeatHolds, truth: DictTruth, layout: str, quantity: int, expected: list[int]
) -> None:
    session_id = truth.publish(layout.replace("s", "."))
    truth.claim(session_id, [n + 1 for n, letter in enumerate(layout) if letter == "s"], "sold")
    assert seats_of(await best(holds, session_id, (1, len(layout)), quantity)) == expected


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
    assert seats_of(await best(holds, session_id, (1, 10), 3, standing=True)) == [1, 3, 5]
    assert seats_of(await best(holds, session_id, (1, 10), 5, standing=True)) == [6, 7, 8, 9, 10]
    assert await best(holds, session_id, (1, 10), 1, standing=True) == SoldOut()


async def test_a_released_seat_is_found_again_though_it_lies_behind(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("." * 3000)
    order_id = uuid7()
    assert seats_of(await best(holds, session_id, (1, 3000), 20, order_id=order_id))[0] == 1
    while not isinstance(await best(holds, session_id, (1, 3000), 20), SoldOut):
        pass
    await holds.release(session_id, order_id)
    assert seats_of(await best(holds, session_id, (1, 3000), 5)) == [1, 2, 3, 4, 5]
    assert seats_of(await best(holds, session_id, (1, 3000), 15)) == list(range(6, 21))


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


@pytest.mark.parametrize("seed", range(4))
async def test_cursors_pass_over_nothing_whatever_is_held_and_released(
    holds: SeatHolds, truth: DictTruth, seed: int
) -> None:
    """Every answer of a long random sale equals a search of all seats from the beginning."""
    dice = random.Random(seed)
    rows = [dice.randint(1, 30) for _ in range(dice.choice([3, 40, 120]))]
    seats = "|".join("." * length for length in rows)
    session_id, area = truth.publish(seats), (1, len(seats))
    orders = []
    for step in range(600):
        if orders and dice.random() < 0.35:
            order_id, held = orders.pop(dice.randrange(len(orders)))
            await holds.release(session_id, order_id)
            seats = with_letters(seats, held, ".")
            continue
        order_id, quantity = uuid7(), dice.choice([1, 1, 2, 2, 2, 3, 4, 5, 9])
        free = [at for at in range(1, len(seats) + 1) if seats[at - 1] == "."]
        if dice.random() < 0.3 and free:
            wanted = sorted(dice.sample(free, min(quantity, len(free))))
            held = seats_of(await exact(holds, session_id, wanted, order_id=order_id))
        else:
            expected = best_seats(seats, area, quantity)
            answer = await best(holds, session_id, area, quantity, order_id=order_id)
            if expected is None:
                assert answer == SoldOut(), step
                continue
            held = seats_of(answer)
            assert held == expected, f"step {step}: {quantity} of {seats}"
        seats = with_letters(seats, held, "h")
        orders.append((order_id, held))
    assert await letters(holds, session_id) == seats
