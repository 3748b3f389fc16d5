"""What buyers read of a sale that an operator steers follows booking's events, the latest version of them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from chassis.events.envelope import Event
from chassis.ids import uuid7
from contracts.booking import SALE_CHANGED, SaleChanged
from tests.support.catalog import Catalog, running_catalog


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


def changed(session_id: str, version: int, tickets: int | None, *, paused: bool) -> Event:
    now = datetime.now(UTC)
    data = SaleChanged(UUID(session_id), paused, now if paused else None, tickets, None, version)
    return Event(
        id=uuid7(), type=SALE_CHANGED, source="booking", subject=session_id, time=now,
        requestid="req-1", data=msgspec.Raw(msgspec.json.encode(data)),
    )  # fmt: skip


async def test_a_pause_and_a_limit_are_shown_and_an_older_version_changes_nothing(
    catalog: Catalog,
) -> None:
    show_id = await catalog.show()
    session = await catalog.session(show_id, max_tickets_per_user=4)
    session_id = session["session_id"]
    assert (session["paused"], session["max_tickets_per_user"]) == (False, 4)

    async def shown() -> set[tuple[bool, int]]:
        """By each route, as the organizer reads it: from the database, never kept."""
        answers: list[Any] = [
            (await catalog.get(path, token=catalog.organizer)).json
            for path in (f"/sessions/{session_id}", f"/shows/{show_id}", f"/shows/{show_id}/sessions")
        ]  # fmt: skip
        sessions = [answers[0], *answers[1]["sessions"], *answers[2]["sessions"]]
        return {(one["paused"], one["max_tickets_per_user"]) for one in sessions}

    assert (await catalog.deliver([changed(session_id, 2, 1, paused=True)])).status == 204
    assert await shown() == {(True, 1)}
    together = [
        changed(session_id, 4, None, paused=False),
        changed(session_id, 3, 2, paused=True),
    ]
    assert (await catalog.deliver(together)).status == 204
    assert await shown() == {(False, 4)}
    assert (await catalog.deliver([changed(session_id, 1, 9, paused=True)])).status == 204
    assert await shown() == {(False, 4)}
    own = await catalog.call("GET", f"/internal/sessions/{session_id}")
    assert own.json["max_tickets_per_user"] == 4  # booking knows its own limits
