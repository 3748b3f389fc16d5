"""Those who are turned away come back spread over the time it takes to serve them."""

import pytest

from gateway import admission
from gateway.admission import RETRY_AFTER_MAX_S, Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(admission.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.usefixtures("clock")
def test_a_crowd_that_comes_at_once_is_spread_over_seconds() -> None:
    pace = Pace()
    for _ in range(100):
        pace.served()
    waits = [pace.shed() for _ in range(1000)]
    assert max(waits) == 10  # a thousand turned away, a hundred served a second
    assert min(waits) == 1
    assert len(set(waits)) == 10


@pytest.mark.usefixtures("clock")
def test_nobody_waits_longer_than_the_bound_even_when_nothing_is_served() -> None:
    pace = Pace()
    assert {pace.shed() for _ in range(2000)} <= set(range(1, RETRY_AFTER_MAX_S + 1))


def test_an_old_crowd_is_forgotten(clock: list[float]) -> None:
    pace = Pace()
    for _ in range(500):
        pace.shed()
    clock[0] += 2.0
    pace.served()
    assert pace.shed() == 1
