"""Rates from counters: whatever a source does, no rate is negative and none is a burst that never was."""

import pytest

from booking.wall.rates import LATE_AFTER_S, Carried, Source, added, added_buckets, quantile
from contracts.wall import BOUNDS_S, UNWATCHED_INTERVAL_S
from tests.support.wall import PLACES, buckets, digest


def heard(*said: tuple[float, float]) -> Source:
    """A source that has said these (when, arrivals)."""
    first, *others = said
    source = Source(first[0], digest(first[0], arrivals=first[1]))
    for at_s, arrivals in others:
        source.hear(at_s, digest(at_s, arrivals=arrivals))
    return source


def test_a_rate_is_the_growth_over_the_last_three_seconds() -> None:
    assert heard((1, 0), (2, 10), (3, 20), (4, 30), (5, 100)).rates() == {
        "arrivals": pytest.approx((100 - 10) / 3)
    }


def test_what_is_seen_first_is_no_burst() -> None:
    source = heard((1, 1_000_000))
    assert source.rates() == {}
    assert source.grown == {}


def test_a_counter_that_begins_again_shows_neither_a_negative_nor_a_huge_rate() -> None:
    source = heard((1, 1_000_000), (2, 1_000_010))
    source.hear(3, digest(3, arrivals=7))
    assert source.rates() == {}
    assert source.grown == {}
    source.hear(4, digest(4, arrivals=12))
    assert source.grown == {"arrivals": 5}


def test_a_source_that_comes_back_after_a_pause_has_the_mean_of_the_pause() -> None:
    source = heard((1, 0), (2, 10))
    source.hear(32, digest(32, arrivals=310))
    assert source.rates() == {"arrivals": 10}
    assert source.grown == {"arrivals": 300}


def test_the_same_digest_again_adds_nothing_and_grows_old() -> None:
    source = heard((1, 0), (2, 10))
    source.hear(4, digest(2, arrivals=10))
    assert source.grown == {}
    assert source.age_s(4) == 2


def test_a_machine_that_has_booted_again_begins_again() -> None:
    source = heard((1000, 50), (1001, 60))
    source.hear(2000, digest(3, arrivals=9))
    assert (source.rates(), source.grown) == ({}, {})


def test_the_next_collector_goes_on_from_what_the_last_one_knew() -> None:
    known = Carried(at_s=10, counters={"arrivals": 100})
    assert Source(50, digest(13, arrivals=130), known).grown == {"arrivals": 30}
    assert Source(50, digest(2, arrivals=130), known).grown == {}  # another boot


def test_a_source_is_late_after_five_seconds_and_after_ten_more_while_nobody_watches() -> None:
    source = heard((1, 0))
    late_at = 1 + LATE_AFTER_S
    assert not source.is_late(late_at, 1.0)
    assert source.is_late(late_at + 0.1, 1.0)
    assert not source.is_late(late_at + 0.1, UNWATCHED_INTERVAL_S)
    assert source.is_late(late_at + UNWATCHED_INTERVAL_S + 0.1, UNWATCHED_INTERVAL_S)


def test_machines_add_up() -> None:
    assert added([{"a": 1, "b": 2}, {"b": 3}]) == {"a": 1, "b": 5}
    assert added_buckets([[1, 2], [], [3, 4]]) == [4, 6]
    assert added_buckets([]) == []


def test_answers_are_those_of_the_last_ten_seconds() -> None:
    source = Source(0, digest(0, buckets={"answers": buckets(b0=5)}))
    for at_s in range(1, 15):
        source.hear(at_s, digest(at_s, buckets={"answers": buckets(b0=5, b5=2.0 * at_s)}))
    assert source.answered("answers") == buckets(b5=20)
    assert source.answered("orders") == []


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        (buckets(), 0.5, None),
        ([], 0.5, None),
        (buckets(b5=10), 0.5, pytest.approx(0.15)),  # halfway through 0.1 … 0.2
        (buckets(b0=99, b8=1), 0.99, BOUNDS_S[0]),
        (buckets(b0=50, b5=50), 0.99, pytest.approx(0.198)),
        ([0.0] * (PLACES - 1) + [4.0], 0.5, BOUNDS_S[-1]),  # the open bucket has no bound
    ],
)
def test_a_quantile_is_interpolated_within_its_bucket(
    counts: list[float], share: float, seconds: float | None
) -> None:
    assert quantile(counts, share) == seconds
