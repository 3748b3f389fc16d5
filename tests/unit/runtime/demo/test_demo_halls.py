"""The demo's halls are good plans, and have a price for each section."""

from collections.abc import Callable

import pytest

from catalog.halls.checks import checked_hall
from catalog.halls.hall import Hall
from runtime.demo import halls
from runtime.demo.halls import DemoHall
from runtime.demo.shows import SHOWS

HALLS = (halls.concert, halls.match, halls.theatre, halls.club, halls.arena)


@pytest.mark.parametrize("made", HALLS)
def test_a_hall_is_a_good_plan_with_a_price_for_each_section(made: Callable[[], DemoHall]) -> None:
    hall = made()
    laid = checked_hall(hall.plan)
    assert {area.key for area in laid.areas} == hall.prices.keys()
    rows = [row for area in laid.areas for row in area.rows]
    assert any(row.companions for row in rows)
    assert {one["section"]: one["price"] for one in hall.prices_at(120)} == {
        key: price * 120 for key, price in hall.prices.items()
    }


def seats(hall: Hall) -> int:
    return sum(area.capacity for area in hall.areas)


def test_the_halls_are_what_the_shows_say_they_are() -> None:
    concert, theatre, club, arena = (
        checked_hall(made().plan)
        for made in (halls.concert, halls.theatre, halls.club, halls.arena)
    )
    assert 24_000 < seats(concert) < 26_000
    assert concert.facing == 90
    assert {area.kind for area in concert.areas} == {"seated", "standing"}
    assert [level.name for level in theatre.levels] == ["池座", "二楼楼座", "三楼楼座"]
    assert any(row.whole for area in theatre.areas for row in area.rows)
    assert any(row.restricted for area in theatre.areas for row in area.rows)
    assert any(row.table for area in club.areas for row in area.rows)
    assert arena.facing is None


def test_every_hall_has_a_show() -> None:
    assert {show.hall for show in SHOWS} == {*HALLS, halls.gallery}
