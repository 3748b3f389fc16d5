"""The hours of a door."""

from datetime import UTC, datetime, timedelta

import pytest

from booking.domain.door import DoorHours

START = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
HOURS = DoorHours(opens_before=timedelta(hours=4), closes_after=timedelta(hours=6))
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("from_start", "door"),
    [
        (timedelta(days=-35), "early"),
        (timedelta(hours=-4) - TICK, "early"),
        (timedelta(hours=-4), "open"),
        (timedelta(), "open"),
        (timedelta(hours=6) - TICK, "open"),
        (timedelta(hours=6), "over"),
        (timedelta(hours=24), "over"),
    ],
)
def test_a_door_is_open_from_some_hours_before_the_start_until_some_after(
    from_start: timedelta, door: str
) -> None:
    assert HOURS.state(START, START + from_start) == door


def test_tomorrows_door_of_the_same_show_is_early_while_todays_is_open() -> None:
    for hour in range(-4, 6):
        moment = START + timedelta(hours=hour)
        assert HOURS.state(START, moment) == "open"
        assert HOURS.state(START + timedelta(days=1), moment) == "early"
