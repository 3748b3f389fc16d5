"""On what terms a show's tickets are taken back, and sessions that booking has cancelled."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from contracts.catalog import RefundPolicy, SessionTerms
from tests.support.catalog import Catalog, running_catalog

USUAL = {
    "refundable": True,
    "until_hours": 24,
    "fee_kind": "none",
    "fee": 0,
    "approval": "automatic",
}


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


async def terms_of(catalog: Catalog, session_id: str) -> SessionTerms:
    answer = await catalog.get(f"/internal/sessions/{session_id}")
    return msgspec.json.decode(answer.body, type=SessionTerms)


async def test_a_policy_is_shown_changed_as_a_whole_and_told_to_booking(catalog: Catalog) -> None:
    show_id = await catalog.show(refund_policy={"fee_kind": "percent", "fee": 10})
    session = await catalog.session(show_id)
    shown = (await catalog.get(f"/shows/{show_id}")).json["refund_policy"]
    assert shown == USUAL | {"fee_kind": "percent", "fee": 10}
    terms = await terms_of(catalog, session["session_id"])
    assert terms.refund_policy == RefundPolicy(fee_kind="percent", fee=10)
    renamed = await catalog.patch(f"/shows/{show_id}", {"title": "新名"})
    assert renamed.json["refund_policy"] == shown
    changed = await catalog.patch(
        f"/shows/{show_id}", {"refund_policy": {"approval": "organizer", "until_hours": 0}}
    )
    assert changed.json["refund_policy"] == USUAL | {"approval": "organizer", "until_hours": 0}
    plain = await catalog.show()
    mine = await catalog.get(f"/shows/{plain}", token=catalog.organizer)
    assert mine.json["refund_policy"] == USUAL


NONSENSE: tuple[Any, ...] = (
    {"fee_kind": "percent", "fee": 101},
    {"fee": 1},
    {"fee_kind": "fixed", "fee": -1},
    {"until_hours": 8761},
    {"until_hours": 1.5},
    {"fee_kind": "all"},
    {"approval": "never"},
    {"unknown": 1},
    None,
)


async def test_a_policy_that_makes_no_sense_is_refused(catalog: Catalog) -> None:
    for policy in NONSENSE:
        body = {"title": "t", "category": "c", "venue_id": str(uuid4()), "refund_policy": policy}
        made = await catalog.post("/shows", body)
        assert (made.status, made.code) == (400, "validation-failed"), policy
        assert "refund_policy" in str(made.json["errors"])
        changed = await catalog.patch(f"/shows/{uuid4()}", {"refund_policy": policy})
        assert changed.status == 400, policy


async def test_a_cancelled_session_shows_itself_so_however_often_it_is_told(
    catalog: Catalog,
) -> None:
    show_id = await catalog.show()
    session = await catalog.session(show_id)
    path = f"/internal/sessions/{session['session_id']}/cancel"
    for _ in range(2):
        assert (await catalog.call("POST", path)).status == 204
    read = await catalog.get(f"/sessions/{session['session_id']}")
    assert read.json["status"] == "cancelled"
    assert (await terms_of(catalog, session["session_id"])).status == "cancelled"
    assert (await catalog.post(f"/sessions/{session['session_id']}/publish")).code == (
        "session-cancelled"
    )
    draft = await catalog.session(show_id, publish=False)
    assert (
        await catalog.call("POST", f"/internal/sessions/{draft['session_id']}/cancel")
    ).status == 204
    assert (await terms_of(catalog, draft["session_id"])).status == "draft"
    assert (await catalog.call("POST", f"/internal/sessions/{uuid4()}/cancel")).status == 404
