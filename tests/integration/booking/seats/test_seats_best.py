"""Best-available (docs/adr/0092): the best adjacent seats, no single one left where one can be avoided, no
accessible or companion's seat unless asked; and nothing passed over, whatever is held and released.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from booking.seats.bytes import layout_of
from booking.seats.holds import LUA, Kind, SeatHolds
from booking.seats.keys import session_keys
from booking.seats.outcomes import Held, LeftAlone, NoAccessible, SoldOut, Taken
from chassis.ids import uuid7
from chassis.redis.scripts import RedisCalls, load_scripts
from chassis.redis.servers import Servers
from tests.support.seat_model import newly_single, row_scores, singles, why_not, with_letters
from tests.support.seats import DictTruth, best, exact, letters, seat_holds, seats_of


@pytest.fixture
def truth() -> DictTruth:
    return DictTruth()


@pytest.fixture
async def holds(redis_url: str, truth: DictTruth) -> AsyncIterator[SeatHolds]:
    async with seat_holds(redis_url, truth) as made:
        yield made


def publish(truth: DictTruth, letters: str) -> UUID:
    """A session that has been sold as far as these bytes say."""
    session_id = truth.publish(layout_of(letters.encode()).decode())
    taken = [n + 1 for n, letter in enumerate(letters) if letter in "hsbHSBitcITC"]
    truth.claim(session_id, taken, "sold")
    return session_id


def said(answer: object) -> list[int] | str:
    match answer:
        case Held(seats=seats):
            return seats
        case SoldOut():
            return "sold_out"
        case NoAccessible():
            return "no_accessible"
    raise AssertionError(answer)


TEN_ROWS = "|".join(["." * 10] * 10)


@pytest.mark.parametrize(
    ("layout", "quantity", "expected"),
    [
        ("..........", 2, [5, 6]),  # the middle
        (".....", 1, [3]),
        ("..........", 1, [5]),  # of two as good, the lower
        ("........|..........", 4, [3, 4, 5, 6]),  # the first row, though the second is as free
        (".......ss...", 2, [6, 7]),  # of the row's middle, not of the run's
        ("....../..", 2, [5, 6]),  # an aisle is a part of the row; 6 is not left alone before it
        ("ssss/....", 2, [6, 7]),
        ("s" * 9 + ".|.ssssssss." + TEN_ROWS[21:], 1, [10]),  # the odd hole of the first row
        ("..ss....", 2, [5, 6]),  # not 6 and 7, which leave 5 alone
        ("...s.ss...", 1, [5]),
        ("....................", 20, list(range(1, 21))),
        ("..|..", 3, [1, 2, 4]),  # nothing adjacent is left
        ("....s|....s|s..ss|sssss", 5, [2, 3, 4, 7, 8]),  # nobody alone
        ("s.s|ss.", 2, [2, 7]),
        ("..:.;..", 3, [1, 2, 4]),
        (",,,,|....", 4, [1, 2, 3, 4]),  # a table for as many
        (",,,,|....", 3, [6, 7, 8]),  # and for nobody else
        (",,,,|sss.", 2, "sold_out"),
        ("xx..xx", 3, "sold_out"),
    ],
)
async def test_it_takes_what_a_good_clerk_would(
    holds: SeatHolds, truth: DictTruth, layout: str, quantity: int, expected: list[int] | str
) -> None:
    session_id = publish(truth, layout)
    assert said(await best(holds, session_id, (1, len(layout)), quantity)) == expected


@pytest.mark.parametrize(
    ("layout", "quantity", "accessible", "expected"),
    [
        ("...:...", 1, 0, [3]),  # though the accessible one is the middle
        (":::;;;", 1, 0, "sold_out"),  # not even when nothing else is left
        (":....:", 1, 1, [1]),
        (":....::", 2, 1, [5, 6]),  # one of them is enough
        (":....::", 2, 2, [6, 7]),
        ("..:...|", 2, 1, [3, 4]),  # nearest the middle
        (".:;...|", 2, 1, [2, 3]),  # beside it its companion's
        (".:;...|", 3, 1, [1, 2, 3]),
        (".;:s|;:;", 3, 1, [6, 7, 8]),
        (":.;Hs|s.", 3, 1, [1, 2, 8]),  # 3 is for whoever is on 4
        ("s:ss|s.", 2, 1, [2, 7]),  # none beside it: apart
        ("s:ss|:.;", 3, 2, [2, 6, 7]),
        ("....|..s", 1, 1, "no_accessible"),
        (":...|..H", 2, 2, "no_accessible"),
        ("s:s", 2, 1, "sold_out"),
        ("s:s;;", 2, 1, "sold_out"),  # companions' seats of others are not for them
    ],
)
async def test_accessible_seats_and_companions_are_for_those_who_ask(  # noqa: PLR0917
    holds: SeatHolds,
    truth: DictTruth,
    layout: str,
    quantity: int,
    accessible: int,
    expected: list[int] | str,
) -> None:
    session_id = publish(truth, layout)
    answer = await best(holds, session_id, (1, len(layout)), quantity, accessible=accessible)
    assert said(answer) == expected


async def test_of_several_areas_the_best_seats_are_taken(
    holds: SeatHolds, truth: DictTruth
) -> None:
    """Rows are better the earlier; the areas are asked for in any order."""
    session_id = truth.publish("....|....|....|....")
    assert seats_of(await best(holds, session_id, ((16, 19), (6, 9)), 2)) == [6, 7]
    assert seats_of(await best(holds, session_id, ((16, 19), (6, 9)), 3)) == [16, 17, 18]
    answer = await best(holds, session_id, ((16, 19), (6, 9)), 3)
    assert answer == Held(answer.version, [8, 9, 19], is_split=True)  # type: ignore[attr-defined]
    assert await best(holds, session_id, ((16, 19), (6, 9)), 1) == SoldOut()
    assert seats_of(await best(holds, session_id, ((16, 19), (6, 9), (1, 4)), 4)) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("layout", "quantity", "expected"),
    [
        ("......|......", 4, [1, 2, 3, 4]),  # together in one row where that can be
        ("sss.s|.ss..|...ss|s..ss", 4, [14, 15, 20, 21]),
        ("sss..|.ss..|s.sss", 4, [4, 5, 10, 11]),
        ("s...s|ss..s", 5, [2, 3, 4, 9, 10]),
    ],
)
async def test_a_group_may_sit_in_two_rows_one_behind_the_other(
    holds: SeatHolds, truth: DictTruth, layout: str, quantity: int, expected: list[int]
) -> None:
    session_id = publish(truth, layout)
    answer = await best(holds, session_id, (1, len(layout)), quantity, two_rows=True)
    assert isinstance(answer, Held)
    assert (answer.seats, answer.is_split) == (expected, False)


async def test_without_two_rows_one_behind_the_other_it_is_split(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = publish(truth, "..sss|sss..")
    answer = await best(holds, session_id, (1, 11), 4, two_rows=True)
    assert isinstance(answer, Held)
    assert (answer.seats, answer.is_split) == ([1, 2, 10, 11], True)


async def test_the_pieces_of_a_group_are_near_each_other(
    holds: SeatHolds, truth: DictTruth
) -> None:
    row = "s" * 40
    layout = "|".join(["s.." + row[3:], *[row] * 30, "s..s.." + row[6:], *[row] * 30])
    session_id = publish(truth, layout)
    truth_of = (layout.index("..", 100) + 1, layout.rindex("..") + 1)
    taken = seats_of(await best(holds, session_id, (1, len(layout)), 2))
    assert taken == [2, 3]
    await holds.free(session_id, [(2, "h", ""), (3, "h", "")])
    four = await best(holds, session_id, (100, len(layout)), 4)
    assert isinstance(four, Held)
    assert four.seats == [truth_of[0], truth_of[0] + 1, truth_of[1], truth_of[1] + 1]
    assert four.is_split


async def test_a_pick_that_leaves_a_single_seat_says_so_or_is_refused(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("......|.s.:./...".replace("s", "."))
    answer = await exact(holds, session_id, [2, 3])
    assert isinstance(answer, Held)
    assert answer.left_alone == [1]
    refused = await exact(holds, session_id, [5], leave_none_alone=True)
    assert refused == LeftAlone([4, 6])
    assert await letters(holds, session_id) == ".hh...|...:./..."
    kept = await exact(holds, session_id, [4, 5], leave_none_alone=True)
    assert kept == LeftAlone([6])
    assert isinstance(await exact(holds, session_id, [4, 5, 6], leave_none_alone=True), Held)
    # it was alone before, and is not made so now
    assert isinstance(await exact(holds, session_id, [11], leave_none_alone=True), Held)
    assert isinstance(await exact(holds, session_id, [1], leave_none_alone=True), Held)


async def test_a_seat_keeps_its_kind_whatever_becomes_of_it(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, order_id = truth.publish("..:;|./,:x"), uuid7()
    seats_of(await exact(holds, session_id, [2, 3, 4, 8], order_id=order_id))
    assert await letters(holds, session_id) == ".hHi|./I:x"
    await holds.release(session_id, order_id)
    assert await letters(holds, session_id) == "..:;|./,:x"
    seats_of(await exact(holds, session_id, [3, 4, 6, 8], order_id=order_id))
    await holds.sell(session_id, order_id)
    assert await letters(holds, session_id) == "..St|s/T:x"
    await holds.free(session_id, [(3, "s", ""), (4, "s", ""), (6, "s", ""), (10, "b", "")])
    await holds.block(session_id, [1, 3, 4, 9, 10])
    assert await letters(holds, session_id) == "b.Bc|./TBx"
    await holds.unblock(session_id, [1, 3, 4, 10])
    assert await letters(holds, session_id) == "..:;|./TBx"
    assert (await holds.state(session_id))[1] == b".....sbb"
    assert await exact(holds, session_id, [10]) == Taken([10])


async def test_a_hall_sells_without_a_single_seat_to_the_last_pair(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("|".join(["." * 10] * 3))
    for _ in range(15):
        seats_of(await best(holds, session_id, (1, 32), 2))
        assert singles(await letters(holds, session_id), [(1, 32)]) == []
    assert await best(holds, session_id, (1, 32), 2) == SoldOut()


async def test_it_stays_within_its_area(holds: SeatHolds, truth: DictTruth) -> None:
    session_id = truth.publish("....|....|....")
    assert seats_of(await best(holds, session_id, (6, 9), 4)) == [6, 7, 8, 9]
    assert await best(holds, session_id, (6, 9), 1) == SoldOut()
    assert seats_of(await best(holds, session_id, (11, 14), 2)) == [11, 12]


async def test_standing_places_are_the_first_that_are_free(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, order_id = truth.publish("." * 10), uuid7()
    seats_of(await exact(holds, session_id, [2, 4], order_id=order_id))
    assert seats_of(await best(holds, session_id, (1, 10), 3, kind="standing")) == [1, 3, 5]
    assert seats_of(await best(holds, session_id, (1, 10), 5, kind="standing")) == [6, 7, 8, 9, 10]
    assert await best(holds, session_id, (1, 10), 1, kind="standing") == SoldOut()
    await holds.release(session_id, order_id)
    assert seats_of(await best(holds, session_id, (1, 10), 2, kind="standing")) == [2, 4]


async def test_a_large_area_is_ranked_in_pieces_while_others_are_served(
    holds: SeatHolds, truth: DictTruth
) -> None:
    """More rows than one call ranks; the worst is asked for by a group that only it has room for."""
    rows = ["." * 29] * 1_000 + ["." * 30]
    session_id = truth.publish("|".join(rows))
    last = len("|".join(rows))
    bounds = session_keys(session_id)[7]
    assert seats_of(await best(holds, session_id, (1, last), 2)) == [14, 15]
    assert await holds.calls.command("ZCARD", bounds) == 1 + 1 + 1_001
    assert len(seats_of(await best(holds, session_id, (1, last), 20))) == 20


@pytest.mark.parametrize("kind", ["seats", "standing"])
async def test_what_the_release_before_changed_is_found(
    holds: SeatHolds, truth: DictTruth, kind: Kind
) -> None:
    """Its scripts change seats without ranking them anew, and keep a cursor of each searched area."""
    session_id = truth.publish("........")
    assert len(seats_of(await best(holds, session_id, (1, 8), 8, kind=kind))) == 8
    assert await best(holds, session_id, (1, 8), 1, kind=kind) == SoldOut()
    seats, meta = session_keys(session_id)[:2]
    assert await holds.calls.command("HGET", meta, "searched") == b";1-2000000;"
    await holds.calls.command("SETRANGE", seats, 4, "....")
    await holds.calls.command("HSET", meta, "search:1-2000000", "1000,1000")
    assert seats_of(await best(holds, session_id, (1, 8), 4, kind=kind)) == [5, 6, 7, 8]
    assert await best(holds, session_id, (1, 8), 1, kind=kind) == SoldOut()
    assert await holds.calls.command("HEXISTS", meta, "search:1-2000000") == 0


LAYOUTS = [
    "......|.....|........||...|.......|....",
    ":;..:./.....|..||.:;|../.../..:|.....::",
    "....../.....|:;/.:....||:::|....../....",
    ",,,|....x...|,,,,|..;:;....|x|....../..",
]
AREAS = [((1, 12),), ((14, 39),), ((14, 39), (1, 12))]


@st.composite
def sales(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    one = st.one_of(
        st.tuples(
            st.just("best"),
            st.sampled_from(AREAS),
            st.integers(1, 5),
            st.sampled_from([0, 0, 0, 1, 2]),
        ),
        st.tuples(st.just("exact"), st.sets(st.integers(1, 39), min_size=1, max_size=3)),
        st.tuples(st.just("release"), st.integers(0, 50)),
    )
    return draw(st.lists(one, min_size=3, max_size=25))


async def _sell(
    holds: SeatHolds, truth: DictTruth, layout: str, taken: set[int], sale: list[tuple[Any, ...]]
) -> None:
    sold = [seat for seat in sorted(taken) if layout[seat - 1] in ".:;,"]
    seats = with_letters(layout, sold, "s")
    session_id, scores, orders = publish(truth, seats), row_scores(layout), []
    for step in sale:
        order_id = uuid7()
        if step[0] == "release":
            if orders:
                gone, its = orders.pop(step[1] % len(orders))
                await holds.release(session_id, gone)
                seats = with_letters(seats, its, ".")
            continue
        if step[0] == "exact":
            picked = [seat for seat in sorted(step[1]) if seats[seat - 1] in ".:;,"]
            if not picked:
                continue
            answer = await exact(holds, session_id, picked, order_id=order_id)
            assert isinstance(answer, Held)
            assert (answer.seats, answer.left_alone) == (picked, newly_single(seats, picked))
        else:
            _, areas, quantity, accessible = step
            accessible = min(quantity, accessible)
            answer = await best(
                holds, session_id, areas, quantity, order_id=order_id, accessible=accessible
            )
            is_split = isinstance(answer, Held) and answer.is_split
            wrong = why_not(
                seats, scores, areas, quantity, accessible, said(answer), is_split=is_split
            )
            assert wrong is None, (seats, step, answer, wrong)
        if isinstance(answer, Held):
            orders.append((order_id, answer.seats))
            seats = with_letters(seats, answer.seats, "h")
        assert await letters(holds, session_id) == seats


def test_whatever_is_held_and_released_the_next_hold_is_the_best(redis_url: str) -> None:
    truth = DictTruth()
    with asyncio.Runner() as runner:

        async def open_holds() -> SeatHolds:
            return SeatHolds(RedisCalls(Servers(redis_url), load_scripts(LUA)), truth)

        holds = runner.run(open_holds())

        @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            layout=st.sampled_from(LAYOUTS),
            taken=st.sets(st.integers(1, 39), max_size=30),
            sale=sales(),
        )
        @example(  # 3 is alone, so 4 and 5 are worth less; then somebody picks 3
            layout=LAYOUTS[0],
            taken={1, 2},
            sale=[("best", AREAS[0], 2, 0), ("exact", {3}), ("best", AREAS[0], 2, 0)],
        )
        def always(layout: str, taken: set[int], sale: list[tuple[Any, ...]]) -> None:
            runner.run(_sell(holds, truth, layout, taken, sale))

        always()
        runner.run(holds.calls.close())


@pytest.mark.parametrize("rows_an_area", [25, 3])
async def test_a_long_sale_of_a_hall_is_the_best_at_every_step(
    holds: SeatHolds, truth: DictTruth, rows_an_area: int
) -> None:
    """With several areas each order is for some of them."""
    dice = random.Random(92)
    layout = "|".join("." * dice.randint(8, 14) + "/" + "." * dice.randint(3, 9) for _ in range(25))
    session_id, scores, seats = truth.publish(layout), row_scores(layout), layout
    ends = [0, *(at + 1 for at, byte in enumerate(layout) if byte == "|"), len(layout) + 1]
    firsts = [*ends[:-1:rows_an_area], ends[-1]]
    areas, orders = [(one + 1, other - 1) for one, other in pairwise(firsts)], []
    for _ in range(400):
        if orders and dice.random() < 0.25:
            order_id, its = orders.pop(dice.randrange(len(orders)))
            await holds.release(session_id, order_id)
            seats = with_letters(seats, its, ".")
            continue
        quantity, order_id = dice.choice([1, 2, 2, 2, 3, 4, 6]), uuid7()
        some = tuple(dice.sample(areas, dice.randint(1, len(areas))))
        answer = await best(holds, session_id, some, quantity, order_id=order_id)
        is_split = isinstance(answer, Held) and answer.is_split
        assert why_not(seats, scores, some, quantity, 0, said(answer), is_split=is_split) is None
        if isinstance(answer, Held):
            orders.append((order_id, answer.seats))
            seats = with_letters(seats, answer.seats, "h")
    assert await letters(holds, session_id) == seats
