"""Rings of points: bounded, whatever comes."""

import random

from booking.wall.rings import SERIES, Points, Ring, Rings


def test_a_step_has_the_mean_of_its_values_and_the_worst_of_the_slowest() -> None:
    ring = Ring(10.0, 5)
    for at, arrivals, p99 in ((100, 1, 0.1), (105, 3, 0.9), (111, 50, 0.2)):
        ring.add(at, {"arrivals": arrivals, "p50_s": p99, "p99_s": p99})
    assert ring.points.at == [100]
    found = {name: values[0] for name, values in ring.points.series.items()}
    assert (found["arrivals"], found["p50_s"], found["p99_s"]) == (2, 0.5, 0.9)
    assert found["orders"] is None


def test_the_oldest_step_goes_when_a_ring_is_full() -> None:
    ring = Ring(1.0, 60)
    for at in range(1000):
        ring.add(at, {"arrivals": at})
    assert ring.points.at == [float(at) for at in range(939, 999)]
    assert ring.points.series["arrivals"][-1] == 998


def test_a_sale_of_any_length_has_a_bounded_number_of_steps_that_keep_its_mean() -> None:
    ring = Ring(10.0, 36, stretches=True)
    for at in range(0, 20_000, 10):
        ring.add(at, {"arrivals": 7, "p99_s": float(at == 5000)})
    points = ring.points
    assert len(points.at) <= 36
    assert points.at == sorted(points.at)
    assert points.at[0] == 0
    assert set(points.series["arrivals"]) == {7}
    assert max(value or 0 for value in points.series["p99_s"]) == 1  # the worst stays the worst


def test_a_gap_leaves_no_points() -> None:
    ring = Ring(10.0, 5)
    for at in (0, 100, 110):
        ring.add(at, {"arrivals": 1})
    assert ring.points.at == [0, 100]


def test_what_is_older_than_the_window_is_forgotten() -> None:
    rings = Rings()
    rings.add(0, {"arrivals": 1})
    rings.add(10_000, {"arrivals": 1})
    rings.add(10_001, {"arrivals": 1})
    assert rings.minute.points.at == [10_000]
    assert rings.hour.points.at == []
    assert len(rings.sale.points.at) == 1


def test_every_series_has_a_value_for_each_step_also_after_a_new_version() -> None:
    old = Points(step_s=10.0, at=[0.0, 10.0], series={"arrivals": [1.0, 2.0]})
    ring = Ring(10.0, 5, points=old)
    source = random.Random(11)
    for at in range(20, 200, 3):
        ring.add(at, {source.choice(SERIES): 1.0})
    assert {len(values) for values in ring.points.series.values()} == {len(ring.points.at)}
