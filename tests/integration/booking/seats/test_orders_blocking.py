"""Seats that the organizer keeps from sale."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.audit.checks import audit_booking
from contracts.booking import SeatsChanged
from tests.support.booking import SEATED, BookingApp, booking_tables, running_booking

USER = uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
def session_id(app: BookingApp) -> UUID:
    made = app.neighbours.publish()
    app.token(app.neighbours.terms[made].organizer_id, "organizer")
    return made


def organizer(app: BookingApp, session_id: UUID) -> UUID:
    return app.neighbours.terms[session_id].organizer_id


async def test_blocked_seats_are_not_sold_until_they_are_unblocked(
    app: BookingApp, session_id: UUID, database_url: str
) -> None:
    owner, seats = organizer(app, session_id), {"seats": [6, 5]}  # the best ones
    for changed in (2, 0):  # blocking again changes nothing
        blocked = await app.post(f"/sessions/{session_id}/block", seats, user=owner)
        assert blocked.status == 200, blocked
        assert (blocked.json["seats"], blocked.json["changed"]) == ([5, 6], changed)
    _, state = await app.services.holds.state(session_id)
    assert state[4:7] == b"bb."
    assert (await app.order(USER, session_id, seats=[6, 7])).json["seats"] == [6]
    await app.services.holds.calls.command_to_each_node("FLUSHDB")
    best = await app.order(USER, session_id, quantity=2)
    assert [item["seat_id"] for item in best.json["items"]] == [3, 4]
    for changed in (2, 0):
        freed = await app.post(f"/sessions/{session_id}/unblock", seats, user=owner)
        assert freed.json["changed"] == changed
    assert (await app.order(USER, session_id, seats=[5, 6])).status == 201
    async with booking_tables(database_url) as tables:
        rows = await tables.fetch(
            "SELECT type, subject, data FROM outbox WHERE type LIKE '%blocked%' ORDER BY position"
        )
    assert [row["type"] for row in rows] == [
        "stampede.seats.blocked.v1",
        "stampede.seats.unblocked.v1",
    ]
    for row in rows:
        told = msgspec.json.decode(row["data"], type=SeatsChanged)
        assert (row["subject"], told.seats, told.areas) == (
            str(session_id),
            [5, 6],
            {str(SEATED): 2},
        )
    findings = await audit_booking(app.services, looks_max=1)
    assert [finding for finding in findings if not finding.ok] == []


async def test_what_is_held_or_sold_is_not_blocked_and_nothing_else_with_it(
    app: BookingApp, session_id: UUID, database_url: str
) -> None:
    order_id = (await app.order(USER, session_id, seats=[2])).json["order_id"]
    for _ in range(2):
        refused = await app.post(
            f"/sessions/{session_id}/block",
            {"seats": [1, 2]},
            user=organizer(app, session_id),
        )
        assert (refused.status, refused.code, refused.json["seats"]) == (409, "seats-taken", [2])
        await app.pay(USER, order_id)
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM seat_claims") == 1
    unblocked = await app.post(
        f"/sessions/{session_id}/unblock", {"seats": [2]}, user=organizer(app, session_id)
    )
    assert (unblocked.status, unblocked.json["changed"]) == (200, 0)
    assert (await app.order(uuid4(), session_id, seats=[2])).code == "seats-taken"


async def test_only_its_organizer_and_admins_may_block(app: BookingApp, session_id: UUID) -> None:
    path, seats = f"/sessions/{session_id}/block", {"seats": [1]}
    stranger, admin = uuid4(), uuid4()
    app.token(stranger, "organizer")
    app.token(admin, "admin")
    refused = await app.post(path, seats, user=stranger)
    assert (refused.status, refused.code) == (404, "not-found")
    assert (await app.post(path, seats, user=USER)).status == 403
    assert (await app.post(path, seats)).status == 401
    assert (await app.post(path, seats, user=admin)).status == 200
    assert (await app.post(f"/sessions/{uuid4()}/block", seats, user=admin)).status == 404


@pytest.mark.parametrize(
    "body", [{}, {"seats": []}, {"seats": [1, 1]}, {"seats": [11]}, {"seats": [0]}, {"x": 1}]
)
async def test_seats_that_make_no_sense_are_refused(
    app: BookingApp, session_id: UUID, body: Any
) -> None:
    for word in ("block", "unblock"):
        path = f"/sessions/{session_id}/{word}"
        refused = await app.post(path, body, user=organizer(app, session_id))
        assert (refused.status, refused.code) == (400, "validation-failed")


async def test_a_draft_has_no_final_plan_to_block_in(app: BookingApp) -> None:
    draft = app.neighbours.publish(status="draft")
    owner = organizer(app, draft)
    app.token(owner, "organizer")
    refused = await app.post(f"/sessions/{draft}/block", {"seats": [1]}, user=owner)
    assert (refused.status, refused.code) == (409, "session-not-published")
