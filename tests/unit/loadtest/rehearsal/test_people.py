"""The crowd is what was asked for."""

from collections import Counter
from itertools import pairwise

import pytest

from loadtest.rehearsal.asking import Asked, curve_of, fault_of
from loadtest.rehearsal.people import arrivals_of, crowd, source_of, token_faults

ASKED = Asked(people=4_000, abandon=0.25, late=0.25, seconds=60.0)
SIZES = [1_000, 10, 0]


def test_the_same_seed_gives_the_same_people_and_another_one_others() -> None:
    curve = curve_of("burst")
    once = crowd(ASKED, curve, SIZES, per_person_max=4)
    assert once == crowd(ASKED, curve, SIZES, per_person_max=4)
    other = Asked(people=4_000, abandon=0.25, late=0.25, seconds=60.0, seed=2)
    assert once != crowd(other, curve, SIZES, per_person_max=4)


def test_shares_limits_and_areas_are_as_asked() -> None:
    people = crowd(ASKED, curve_of("steady:50s"), SIZES, per_person_max=2)
    assert {one.seats for one in people} == {1, 2}
    never = sum(one.pays_after_s is None for one in people) / len(people)
    assert never == pytest.approx(0.25, abs=0.03)
    for one in people:
        assert set(one.areas) == {0, 1}  # the area without seats is nobody's
        if one.pays_after_s is not None:
            assert one.arrives_s + one.pays_after_s <= ASKED.seconds
    first = Counter(one.areas[0] for one in people)
    assert first[0] / first[1] > 30  # people go where most seats are


@pytest.mark.parametrize("text", ["burst", "wave", "steady:60s", "ramp:60s"])
@pytest.mark.parametrize("people", [1, 7, 1_000])
def test_everybody_arrives_and_within_the_curve(text: str, people: int) -> None:
    arrivals = arrivals_of(curve_of(text), people)
    assert len(arrivals) == people
    assert all(0 <= one <= curve_of(text).last_s for one in arrivals)


def test_a_ramp_grows_and_a_wave_comes_in_three() -> None:
    ramp = arrivals_of(curve_of("ramp:60s"), 900)
    thirds = Counter(int(one // 20) for one in ramp)
    assert [thirds[third] for third in range(3)] == [100, 300, 500]
    wave = sorted(arrivals_of(curve_of("wave"), 100))
    assert sum(later - earlier > 5 for earlier, later in pairwise(wave)) == 2


def test_each_person_has_an_address_of_their_own_on_loopback() -> None:
    found = {source_of(number) for number in range(20_000)}
    assert len(found) == 20_000
    assert all(one.startswith("127.") and one != "127.0.0.1" for one in found)


def test_faults_of_the_provider_travel_with_the_payments() -> None:
    asked = ["provider-slow@20s:10s", "provider-errors@5s:5%", "kill:web"]
    slow, errors = token_faults([fault_of(one, 60.0) for one in asked], 60.0)
    assert (slow.token, slow.from_s, slow.until_s, slow.share) == ("tok_slow", 20, 30, 1)
    assert (errors.from_s, errors.until_s, errors.share) == (5, 60, 0.05)
