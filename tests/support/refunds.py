"""Refunds over real stores: what buyers and organizers do, and a provider that the test controls."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec

from booking.providers.protocol import RefundResult
from contracts.catalog import RefundPolicy
from tests.support.api import Answer
from tests.support.booking import BookingApp

PRICE = 128_000  # of a seat
DONE = RefundResult(state="succeeded")

# What a gate does (booking/door/sql/door.sql), for tests that need one admission but no door.
LET_IN = """
WITH scanned AS (
    UPDATE tickets SET status = 'checked_in', checked_in_at = now()
    WHERE ticket_id = $1 AND status = 'valid' RETURNING ticket_id, session_id, user_id
)
INSERT INTO check_ins (check_in_id, ticket_id, session_id, user_id, gate, device, offline, admitted,
                       scanned_at, request_id)
SELECT gen_random_uuid(), ticket_id, session_id, user_id, 'A', '', false, true, now(), 'test'
FROM scanned RETURNING ticket_id
"""


class RefundingProvider:
    """The app's provider, except that refunds are answered here: by key, once, as a provider does."""

    def __init__(self, app: BookingApp) -> None:
        self.inner: Any = app.provider.now
        self.sent: dict[UUID, int] = {}
        self.calls: list[UUID] = []
        # for the next calls; later calls succeed
        self.verdicts: list[RefundResult | Exception] = []
        self.known: dict[UUID, RefundResult] = {}
        app.provider.now = self

    async def refund(
        self, *, refund_id: UUID, payment_id: UUID, amount: int, currency: str
    ) -> RefundResult:
        self.calls.append(refund_id)
        verdict = self.verdicts.pop(0) if self.verdicts else DONE
        if isinstance(verdict, Exception):
            raise verdict
        if verdict.state != "failed":
            self.sent[refund_id] = amount
        self.known[refund_id] = verdict
        return verdict

    async def look_up_refund(self, refund_id: UUID) -> RefundResult | None:
        return self.known.get(refund_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def organizer_of(app: BookingApp, session_id: UUID) -> UUID:
    """Logs in as the session's organizer."""
    organizer_id = app.neighbours.terms[session_id].organizer_id
    app.token(organizer_id, "organizer")
    return organizer_id


def set_policy(app: BookingApp, session_id: UUID, **policy: Any) -> None:
    terms = app.neighbours.terms[session_id]
    app.neighbours.terms[session_id] = msgspec.structs.replace(
        terms, refund_policy=RefundPolicy(**policy)
    )


async def bought(
    app: BookingApp, session_id: UUID, *, user: UUID | None = None, seats: Sequence[int] = (1, 2)
) -> tuple[UUID, Any]:
    """The buyer of these seats, and the answer to their payment."""
    user = user or uuid4()
    order = await app.order(user, session_id, seats=list(seats))
    assert order.status == 201, order
    paid = await app.pay(user, order.json["order_id"])
    assert paid.status == 200, paid
    return user, paid.json


async def ask_back(
    app: BookingApp, user: UUID, order_id: str, *, key: str | None = None, **body: Any
) -> Answer:
    headers = {"Idempotency-Key": key} if key else None
    body = {"reason": "行程有变"} | body
    return await app.post(f"/orders/{order_id}/refund", body, user=user, headers=headers)


async def cancel_session(app: BookingApp, session_id: UUID, user: UUID | None = None) -> Answer:
    who = user or organizer_of(app, session_id)
    return await app.post(f"/sessions/{session_id}/cancel", {"reason": "台风"}, user=who)


async def told_of(app: BookingApp, type_: str, kind: type[Any]) -> list[Any]:
    """The data of one type's events in the outbox."""
    rows = await app.services.pool.fetch(
        "SELECT data FROM outbox WHERE type = $1 ORDER BY position", type_
    )
    return [msgspec.json.decode(row["data"], type=kind) for row in rows]


async def make_due(app: BookingApp) -> None:
    """Makes every refund under way due for its next try."""
    await app.services.pool.execute(
        "UPDATE refunds SET next_attempt = now() WHERE next_attempt IS NOT NULL"
    )


async def work_off(app: BookingApp) -> None:
    """Processes cancelled sessions to their end: all their refunds approved and sent."""
    while await app.services.session_cancelling.work_off():
        pass
    await app.services.session_cancelling.work_off()  # finds that nothing is left
    await app.services.refund_sending.send_all_due()
