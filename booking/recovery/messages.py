"""What people were told against PostgreSQL: mails, and the events in them, about orders that are lost.

Notification keeps the event of each message. It survives a loss of booking's database only if it has a
server of its own. What was said cannot be unsaid: a finding is listed once, and noted when somebody has
run `--apply`.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import msgspec

from booking.composition import Booking
from booking.recovery import store
from booking.recovery.findings import Finding, Kind
from contracts.notification import (
    MESSAGES_PAGE_MAX,
    MESSAGES_PATH,
    MessagePage,
    MessageSpan,
    OrderMessage,
)


class _Told(msgspec.Struct, frozen=True):
    """Of whichever event, what a finding shows."""

    session_id: UUID | None = None
    order_no: str | None = None
    title: str | None = None
    starts_at: datetime | None = None
    total_amount: int | None = None
    amount: int | None = None
    currency: str | None = None


class MessageRecovery:
    def __init__(self, booking: Booking, *, apply: bool) -> None:
        self._booking = booking
        self._apply = apply

    async def findings(self, since: datetime, until: datetime) -> AsyncIterator[Finding]:
        span = MessageSpan(since, until)
        while True:
            page = await self._booking.notification.post(MESSAGES_PATH, span, MessagePage)
            for finding in await self._of_page(page.messages):
                yield finding
            if len(page.messages) < MESSAGES_PAGE_MAX:
                return
            span = msgspec.structs.replace(span, after=page.messages[-1].message_id)

    async def _of_page(self, messages: list[OrderMessage]) -> list[Finding]:
        pool = self._booking.pool
        orders = {message.subject for message in messages}
        lost = await store.lost_orders(pool, sorted(orders))
        about = [message for message in messages if message.subject in lost]
        noted = await store.noted(pool, [message.message_id for message in about])
        new = [message for message in about if message.message_id not in noted]
        if self._apply and new:
            await store.note(pool, [(str(_kind(message)), message.message_id) for message in new])
        return [_finding(message, returned=lost[message.subject]) for message in new]


def _kind(message: OrderMessage) -> Kind:
    sent = message.state == "sent"
    return Kind.MAIL_WITHOUT_ORDER if sent else Kind.EVENT_WITHOUT_ORDER


def _finding(message: OrderMessage, *, returned: bool) -> Finding:
    """`returned`: the order's money has gone back, and a mail has said so."""
    told = msgspec.json.decode(message.data, type=_Told)
    kind = _kind(message)
    if returned:
        what = "Its money has gone back, and the buyer was written to."
    elif kind is Kind.EVENT_WITHOUT_ORDER:
        what = "Consumers have seen its event. Tell whoever acts on it that the order is void."
    elif message.template == "order_confirmation":
        what = "The buyer was told that seats are held: they have to order again."
    else:
        what = "The buyer was told of it. Nothing here can take that back: write to them."
    amount = told.total_amount if told.total_amount is not None else told.amount
    return Finding(
        kind=kind,
        left=not returned,
        what=what,
        order_id=message.subject,
        order_no=told.order_no,
        event_id=message.event_id,
        user_id=message.user_id,
        session_id=told.session_id,
        title=told.title,
        starts_at=told.starts_at,
        amount=amount,
        currency=told.currency,
        template=message.template,
        at=message.created_at,
    )
