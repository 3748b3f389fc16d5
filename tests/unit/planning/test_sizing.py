"""What a sale needs, and what it runs into."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.settings import Settings
from planning.costs import shipped
from planning.demand import PlanError, Sale
from planning.sizing import Layout, layout_of
from planning.walls import Wall, walls_of
from planning.work import Work

WORK = Work.of(shipped())
GREAT = Sale(people=2_000_000, seats=60_000)


def needs(**habits: object) -> Layout:
    return layout_of(msgspec.structs.replace(GREAT, **habits), WORK)  # type: ignore[arg-type]


def walls(work: Work = WORK, **habits: object) -> Sequence[Wall]:
    sale = msgspec.structs.replace(GREAT, **habits)  # type: ignore[arg-type]
    return walls_of(sale, work, layout_of(sale, work))


@settings(max_examples=80, deadline=None)
@given(
    people=st.integers(1, 10_000_000),
    more=st.integers(0, 10_000_000),
    seats=st.integers(1, 200_000),
    minutes=st.floats(0.1, 120),
    at_opening=st.floats(0, 1),
    robots=st.integers(0, 1_000),
)
def test_more_people_never_need_less(
    *, people: int, more: int, seats: int, minutes: float, at_opening: float, robots: int
) -> None:
    habits = {"seats": seats, "minutes": minutes, "at_opening": at_opening, "robots": robots}
    few, many = needs(people=people, **habits), needs(people=people + more, **habits)
    assert many.machines_all >= few.machines_all
    for what in ("web_cores", "postgres_cores", "redis_cores", "redis_memory", "wal", "mails"):
        assert getattr(many, what) >= getattr(few, what) * (1 - 1e-9), what


@settings(max_examples=50, deadline=None)
@given(minutes=st.floats(0.5, 100), longer=st.floats(1, 10))
def test_more_time_never_needs_more_processors(minutes: float, longer: float) -> None:
    assert needs(minutes=min(120.0, minutes * longer)).web_cores <= needs(
        minutes=minutes
    ).web_cores * (1 + 1e-9)


def test_a_small_sale_is_one_machine_and_a_great_one_is_not() -> None:
    assert needs(people=5_000, seats=500).machines == {"everything": 1}
    assert needs().machines["services"] >= 2
    assert needs(people=5_000, seats=500).processes.web >= 1


def test_headroom_costs_processors() -> None:
    assert needs(headroom=0.5).web_cores == pytest.approx(2 * needs(headroom=0.0).web_cores)


def test_a_gateway_has_no_connections_and_the_sum_is_that_of_the_parts() -> None:
    layout = needs()
    assert "gateway" not in layout.connections_by
    assert layout.connections == sum(layout.connections_by.values())


def test_old_orders_make_the_log_of_a_new_one_longer() -> None:
    more = needs(old_orders=10_000_000).wal - needs(old_orders=0).wal
    assert more == pytest.approx(GREAT.orders * (18_300 - WORK.wal_order))


def test_walls_come_in_the_order_in_which_they_are_hit() -> None:
    every = [walls(), walls(sessions=50, seats=600_000), walls(people=100, seats=10)]
    for found in every:
        assert [wall.at_per_s for wall in found] == sorted(wall.at_per_s for wall in found)
        assert all(wall.passed_by and wall.source for wall in found)


def fixed(found: Sequence[Wall]) -> Wall:
    return next(wall for wall in found if not wall.grows)


def test_one_session_meets_its_shard_first_and_many_meet_the_relay() -> None:
    one, many = fixed(walls()), fixed(walls(sessions=60, seats=600_000))
    assert (one.name, one.at_per_s, one.reached) == ("one hot session on one shard", 16_000, True)
    assert (many.name, many.reached) == ("the relay of events", True)


def test_a_relay_that_costs_much_is_hit_before_the_shard() -> None:
    slow = msgspec.structs.replace(WORK, relay_us=200.0)
    assert fixed(walls(slow)).name == "the relay of events"
    assert fixed(walls(slow)).at_per_s == 5_000


def test_few_connections_are_the_first_wall() -> None:
    assert fixed(walls(max_connections=60)).name == "max_connections"
    assert fixed(walls(max_connections=60)).at_per_s == 0


def test_orders_of_many_seats_meet_the_leaf_of_the_claims_first() -> None:
    claims = fixed(walls(seats_an_order=20.0, seats=200_000))
    assert claims.name.startswith("the claims' hot leaf")


def test_costly_requests_meet_the_processors_first_and_machines_pass_that() -> None:
    slow = msgspec.structs.replace(
        WORK, order=msgspec.structs.replace(WORK.order, gateway=50_000.0, web=60_000.0)
    )
    first = walls(slow)[0]
    assert first.name in {"the gateway's CPU", "booking's CPU"}
    assert first.grows


def test_a_calm_sale_reaches_no_wall() -> None:
    calm = walls(people=1_000, seats=100, at_opening=0.0)
    assert not any(wall.reached for wall in calm)


@pytest.mark.parametrize(
    ("habits", "named"),
    [
        ({"people": 0}, "--people"),
        ({"seats": 0}, "--seats"),
        ({"seats": 200_001}, "--seats"),
        ({"minutes": -1.0}, "--minutes"),
        ({"minutes": float("nan")}, "--minutes"),
        ({"minutes": float("inf")}, "--minutes"),
        ({"seats_an_order": 21.0}, "--seats-an-order"),
        ({"headroom": 1.0}, "--headroom"),
        ({"pay_share": 1.5}, "--pay-share"),
    ],
)
def test_a_question_without_an_answer_is_one_sentence(
    habits: dict[str, object], named: str
) -> None:
    with pytest.raises(PlanError, match=f"^{named} must be .*\\.$"):
        needs(**habits)


def test_two_mistakes_are_both_named() -> None:
    with pytest.raises(PlanError, match=r"--people .*; --minutes "):
        needs(people=-5, minutes=0.0)


def test_an_operators_own_pools_are_what_is_counted() -> None:
    small = Settings(database_pool_size=2)
    assert layout_of(GREAT, WORK, small).connections < needs().connections
    by_default, with_less = (
        fixed_named("max_connections", walls_of(GREAT, WORK, layout_of(GREAT, WORK, one), one))
        for one in (Settings(), small)
    )
    assert with_less.at_per_s > by_default.at_per_s


def fixed_named(name: str, found: Sequence[Wall]) -> Wall:
    return next(wall for wall in found if wall.name == name)
