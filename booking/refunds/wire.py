"""Refunds in bodies. Amounts in minor units."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from booking.domain.order import SEATS_PER_ORDER_MAX
from booking.refunds.store import Refund
from chassis.clock import second, whole_second
from chassis.http.bodies import full_match
from contracts.booking import RefundItem


class RefundAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`price` is what its tickets cost with their fees, `fee` what is kept of that, `amount` what goes back.

    status: `requested` (the organizer has to say), `approved` and `processing` (on its way),
    `succeeded`, `failed` (somebody is looking at it), `rejected`. note: of who decided.
    """

    refund_id: UUID
    order_id: UUID
    order_no: str
    session_id: UUID
    status: str
    cause: str
    reason: str
    note: str | None
    tickets: list[RefundItem]
    price: int
    fee: int
    amount: int
    currency: str
    created_at: datetime
    decided_at: datetime | None
    settled_at: datetime | None


class RefundPage(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first: who waits longest stands in front."""

    refunds: list[RefundAnswer]
    page: int
    page_size: int
    total: int


class OfferedTicket(msgspec.Struct, frozen=True, kw_only=True):
    ticket_id: UUID
    seat_id: int
    price: int
    fee: int


class RefundOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What one would get back now, for all that is left: of `tickets`, each with its own fee.

    When not `allowed`, `code` is the problem that a request would meet, and `reason` its reason.
    """

    allowed: bool
    code: str | None
    reason: str | None
    until: datetime
    approval: Literal["automatic", "organizer"]
    tickets: list[OfferedTicket]
    price: int
    fee: int
    amount: int
    currency: str


class OrderRefunds(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first, and what could be asked for now."""

    refunds: list[RefundAnswer]
    offer: RefundOffer


def refund_answer(refund: Refund) -> RefundAnswer:
    return RefundAnswer(
        refund_id=refund.refund_id,
        order_id=refund.order_id,
        order_no=refund.order_no,
        session_id=refund.session_id,
        status=refund.state.value,
        cause=refund.cause,
        reason=refund.reason,
        note=refund.note,
        tickets=refund.items,
        price=refund.price,
        fee=refund.fee,
        amount=refund.amount,
        currency=refund.currency,
        created_at=whole_second(refund.created_at),
        decided_at=second(refund.decided_at),
        settled_at=second(refund.settled_at),
    )


# Some words with something to see in them; PostgreSQL cannot hold NUL.
Words = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=500,
        pattern=full_match(r"[\x01-\x20\x7f]*[^\x00-\x20\x7f][^\x00]*"),
    ),
]


class RefundOrder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Why, and which tickets: all that are left of the order when none are named."""

    reason: Words
    ticket_ids: Annotated[list[UUID], msgspec.Meta(max_length=SEATS_PER_ORDER_MAX)] = []


class DecideRefund(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`note` is shown to the buyer. The body may be left out."""

    note: Words | None = None
