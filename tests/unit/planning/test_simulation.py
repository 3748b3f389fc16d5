"""The simulated sale: what must hold whatever the sale is."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning.costs import shipped
from planning.demand import Sale
from planning.simulation.outcome import Capacity, Outcome
from planning.simulation.sale import simulate
from planning.work import Work

WORK = Work.of(shipped())
SMALL = Capacity(web=4, gateways=2, postgres=2, shards=1)
ONE_MACHINE = Capacity(web=2, gateways=2, postgres=2, shards=1, shared_cores=2, generator_us=100)
FINAL = ("201", "409")


def run(capacity: Capacity = SMALL, **habits: object) -> Outcome:
    sale = Sale(**{"people": 5_000, "seats": 300, "minutes": 1.0, **habits})  # type: ignore[arg-type]
    sale.check()
    return simulate(sale, WORK, capacity)


@settings(max_examples=15, deadline=None)
@given(
    people=st.integers(1, 5_000),
    seats=st.integers(1, 5_000),
    seats_an_order=st.floats(1, 6),
    pay_share=st.floats(0, 1),
    at_opening=st.floats(0, 1),
    login_share=st.floats(0, 0.2),
    web=st.integers(1, 8),
    shared=st.booleans(),
)
def test_everybody_is_answered_once_and_no_more_seats_are_sold_than_there_are(
    *,
    people: int,
    seats: int,
    seats_an_order: float,
    pay_share: float,
    at_opening: float,
    login_share: float,
    web: int,
    shared: bool,
) -> None:
    capacity = msgspec.structs.replace(
        ONE_MACHINE if shared else SMALL, web=web, gateways=max(1, web // 2)
    )
    one = run(
        capacity,
        people=people,
        seats=seats,
        seats_an_order=seats_an_order,
        pay_share=pay_share,
        at_opening=at_opening,
        login_share=login_share,
    )
    assert 0 <= one.sold <= seats
    assert one.sold + one.unsold == seats
    assert sum(one.answers.get(status, 0) for status in FINAL) == people
    assert one.orders == one.answers.get("201", 0)
    assert one.mails_left == 0
    for area_s, spent_s in one.inside_s.values():  # Little's law, station by station
        assert area_s == pytest.approx(spent_s, rel=1e-6, abs=0.01)


def test_the_same_seed_gives_the_same_sale_and_another_one_another() -> None:
    once, again = run(seed=3), run(seed=3)
    assert msgspec.json.encode(once) == msgspec.json.encode(again)
    assert run(seed=4) != once


def test_two_million_people_are_a_bounded_number_of_events() -> None:
    one = run(
        Capacity(web=64, gateways=40, postgres=8, shards=1, workers=2, identity=16),
        people=2_000_000,
        seats=60_000,
        minutes=10.0,
    )
    assert one.answers["201"] == 30_000
    assert one.events < 150_000


def test_enough_processes_refuse_nobody_and_too_few_send_people_away() -> None:
    rush = {"people": 10_000, "at_opening": 1.0, "rush_s": 0.5}
    plenty = run(Capacity(web=400, gateways=400, postgres=64, shards=4), **rush)
    few = run(Capacity(web=1, gateways=1, postgres=1, shards=1), **rush)
    assert "503" not in plenty.answers
    assert few.share("503") > 0.3
    assert few.last_answer_s > 5 * plenty.last_answer_s


def test_seats_that_nobody_pays_come_back_after_a_quarter_of_an_hour() -> None:
    one = run(pay_share=0.0)
    assert (one.sold, one.back, one.unsold) == (0, 300, 300)
    assert one.last_receipt_s is None
    assert one.last_mail_s is not None
    assert one.last_mail_s > 900


def test_the_load_generator_takes_its_part_of_the_machine() -> None:
    with_it = run(ONE_MACHINE, at_opening=1.0, rush_s=0.1)
    without = run(
        msgspec.structs.replace(ONE_MACHINE, generator_us=0.0), at_opening=1.0, rush_s=0.1
    )
    assert with_it.parts["generator"].cpu_s > 0.5
    assert "generator" not in without.parts
    assert with_it.first_order_s is not None
    assert without.first_order_s is not None
    assert with_it.first_order_s > without.first_order_s


def test_robots_are_limited_and_buy_nothing() -> None:
    one = run(robots=50)
    assert one.answers["429"] == pytest.approx(50 * 10 * 60, rel=0.05)
    assert one.orders <= 150


def test_mails_wait_while_the_sale_is_on_and_not_on_a_calm_day() -> None:
    capacity = Capacity(web=40, gateways=40, postgres=8, shards=1)
    habits = {"pay_after_s": 5.0, "login_share": 0.0, "at_opening": 1.0, "pay_share": 1.0}
    rush = run(capacity, people=60_000, seats=40_000, **habits)
    calm = run(capacity, people=60, seats=40, **habits)
    assert rush.last_receipt_s is not None
    assert calm.last_receipt_s is not None
    assert calm.last_receipt_s < 21  # ten seconds of arrivals, ten of paying, one poll
    assert rush.last_receipt_s > 25
    assert rush.mails < calm.mails * 1_000  # "please pay" is left out once it is paid
