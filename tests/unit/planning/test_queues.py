"""The queues of the simulation, held to answers that are known."""

import random

import pytest

from planning.simulation.kernel import Calendar, Cores, Group, Percentiles, Station, spread

CUSTOMERS = 30_000
SERVICE_S = 0.01


def single_server(load: float, service_s: "list[float]") -> Station:
    """Customers who come one by one at random (Poisson), and are served one by one."""
    calendar, chance = Calendar(), random.Random(7)
    services = iter(service_s)
    station = Station(calendar, work=lambda _: next(services), done=lambda _: None, batch_max=1)
    when = 0.0
    for _ in service_s:
        when += chance.expovariate(load / SERVICE_S)
        calendar.at(when, lambda: station.arrive(Group("one", 1, calendar.now)))
    calendar.run(1e9)
    return station


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_equal_services_wait_as_m_d_1_says(load: float) -> None:
    """Pollaczek and Khinchine: a mean of s + s × ρ / 2(1 − ρ) in the system."""
    station = single_server(load, [SERVICE_S] * CUSTOMERS)
    said = SERVICE_S + SERVICE_S * load / (2 * (1 - load))
    assert station.spent_s / station.served == pytest.approx(said, rel=0.05)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_services_by_chance_wait_as_m_m_1_says(load: float) -> None:
    """A mean of s / (1 − ρ) in the system."""
    chance = random.Random(11)
    services = [chance.expovariate(1 / SERVICE_S) for _ in range(CUSTOMERS)]
    station = single_server(load, services)
    assert station.spent_s / station.served == pytest.approx(SERVICE_S / (1 - load), rel=0.1)


def test_as_many_are_inside_over_time_as_little_says() -> None:
    station = single_server(0.7, [SERVICE_S] * 5_000)
    assert station.served == 5_000
    assert station.area_s == pytest.approx(station.spent_s)


def test_what_waits_is_taken_together_and_what_comes_meanwhile_waits() -> None:
    calendar = Calendar()
    rounds: list[int] = []
    station = Station(
        calendar,
        work=lambda batch: 1.0,
        done=lambda batch: rounds.append(sum(group.count for group in batch)),
    )
    for when, count in ((0.0, 1), (0.2, 2), (0.4, 3), (1.5, 4)):
        calendar.at(when, lambda count=count: station.arrive(Group("x", count, calendar.now)))
    calendar.run(10)
    assert rounds == [1, 5, 4]
    assert calendar.now == 3.0


def test_a_batch_has_no_more_than_it_may_and_loses_nobody() -> None:
    calendar = Calendar()
    rounds: list[list[int]] = []
    station = Station(
        calendar,
        work=lambda batch: 1.0,
        done=lambda batch: rounds.append([group.count for group in batch]),
        batch_max=4,
    )
    calendar.at(0, lambda: [station.arrive(Group("x", count, 0.0)) for count in (3, 6)])  # type: ignore[arg-type,return-value]
    calendar.run(10)
    assert rounds == [[3, 1], [4], [1]]


def test_programs_that_share_cores_take_longer_together() -> None:
    calendar, cores = Calendar(), Cores(1)
    ends: list[float] = []
    for _ in range(2):
        station = Station(
            calendar, work=lambda _: 1.0, done=lambda _: ends.append(calendar.now), cores=cores
        )
        station.arrive(Group("x", 1, 0.0))
    calendar.run(10)
    assert ends == pytest.approx([2.0, 2.0], abs=0.03)


def test_programs_with_a_core_each_do_not_wait_for_each_other() -> None:
    calendar, cores = Calendar(), Cores(2)
    ends: list[float] = []
    for _ in range(2):
        station = Station(
            calendar, work=lambda _: 1.0, done=lambda _: ends.append(calendar.now), cores=cores
        )
        station.arrive(Group("x", 1, 0.0))
    calendar.run(10)
    assert ends == pytest.approx([1.0, 1.0])


def test_events_of_one_instant_keep_their_order() -> None:
    calendar = Calendar()
    heard: list[int] = []
    for number in range(5):
        calendar.at(1.0, lambda number=number: heard.append(number))
    calendar.run(2.0)
    assert heard == [0, 1, 2, 3, 4]


def test_percentiles_are_right_within_two_percent() -> None:
    taken = Percentiles()
    for number in range(1, 1_001):
        taken.add(number / 1000, 3)
    assert taken.at(50) == pytest.approx(0.5, rel=0.02)
    assert taken.at(99) == pytest.approx(0.99, rel=0.02)
    assert Percentiles().at(99) == 0.0


@pytest.mark.parametrize("count", [0, 1, 7, 1_000])
def test_a_crowd_that_is_spread_loses_nobody(count: int) -> None:
    parts = list(spread(random.Random(1), count, 2.0, 3.0, 16))
    assert sum(size for _, size in parts) == count
    assert all(2.0 <= when <= 3.0 and size > 0 for when, size in parts)
    assert len(parts) <= 16
