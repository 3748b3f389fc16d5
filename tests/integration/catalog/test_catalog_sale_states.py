"""What a list of shows says of their sales and of their places' clocks."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from contracts.booking import SEATS_HELD
from tests.support.catalog import Catalog, in_days, running_catalog, seats_changed


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


def window(opens: float, closes: float) -> dict[str, str]:
    return {"sale_opens_at": in_days(opens), "sale_closes_at": in_days(closes)}


ENDED, RUNNING, COMING = window(-3, -1), window(-1, 5), window(2, 5)


async def make_session(catalog: Catalog, show_id: str, kind: str) -> dict[str, Any]:
    """A published session: `ended`, `running`, `coming`, `full` (running, all seats taken), or a
    `draft` whose sale would run."""
    span = {"ended": ENDED, "coming": COMING}.get(kind, RUNNING)
    made: dict[str, Any] = await catalog.session(show_id, publish=kind != "draft", **span)
    if kind == "full":
        taken = {area["area_id"]: area["capacity"] for area in made["seat_areas"]}
        await catalog.deliver([seats_changed(SEATS_HELD, made["session_id"], taken)])
    return made


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        (["ended"], "closed"),
        (["ended", "draft"], "closed"),
        (["ended", "full"], "sold_out"),
        (["ended", "coming"], "upcoming"),
        (["full", "coming"], "upcoming"),
        (["full", "coming", "running"], "open"),
    ],
)
async def test_a_list_and_a_show_say_of_all_sessions_what_can_be_bought(
    catalog: Catalog, kinds: list[str], state: str
) -> None:
    show_id = await catalog.show()
    sessions = {kind: await make_session(catalog, show_id, kind) for kind in kinds}
    listed = (await catalog.get("/shows")).json["shows"][0]
    assert (listed["sale_state"], listed["on_sale"]) == (state, state == "open")
    coming = sessions.get("coming")
    assert listed["sale_opens_at"] == (coming and coming["sale_opens_at"])
    running = sessions.get("full") or sessions.get("running")
    assert listed["sale_closes_at"] == (running and running["sale_closes_at"])
    alone = (await catalog.get(f"/shows/{show_id}")).json
    assert {key: alone[key] for key in listed} == listed
    mine = (await catalog.get("/shows?mine=true", token=catalog.organizer)).json["shows"][0]
    assert mine == listed


async def test_every_show_of_a_list_has_its_own_state_and_its_venues_zone(catalog: Catalog) -> None:
    for kind, zone in (
        ("running", "Asia/Shanghai"),
        ("ended", "America/Los_Angeles"),
        ("coming", "Europe/Berlin"),
    ):
        venue_id = await catalog.venue(time_zone=zone)
        await make_session(catalog, await catalog.show(title=kind, venue_id=venue_id), kind)
    listed = (await catalog.get("/shows")).json["shows"]
    assert {show["title"]: (show["sale_state"], show["time_zone"]) for show in listed} == {
        "running": ("open", "Asia/Shanghai"),
        "ended": ("closed", "America/Los_Angeles"),
        "coming": ("upcoming", "Europe/Berlin"),
    }


async def test_a_draft_alone_is_upcoming_to_its_organizer(catalog: Catalog) -> None:
    await catalog.session(await catalog.show(), publish=False)
    mine = (await catalog.get("/shows?mine=true", token=catalog.organizer)).json["shows"][0]
    assert (mine["sale_state"], mine["on_sale"], mine["price_from"]) == ("upcoming", False, None)
    assert (mine["sale_opens_at"], mine["sale_closes_at"]) == (None, None)
