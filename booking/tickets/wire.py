"""Request and response bodies of tickets and transfers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec


class TransferTicket(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`to_email`: the e-mail address of the recipient's account."""

    to_email: Annotated[
        str,
        msgspec.Meta(min_length=3, max_length=320, extra_json_schema={"format": "email"}),
    ]


class TicketAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is the content of the QR picture. `qr_code`, `pdf` and `calendar` are URLs of the picture, the
    page to print and the calendar entry; they open without login.

    `given_to` and `received_from` are masked addresses of the recipient and the giver; null for older
    transfers, made before addresses were stored. `session_cancelled_for` is the reason if the session was
    cancelled. `category` (its key), `category_name` and `proof`, what has to be shown at the door, are null
    where the session has no categories.
    """

    ticket_id: UUID
    order_id: UUID
    session_id: UUID
    status: str
    void_reason: str | None
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    seat_id: int
    area: str
    row: str
    number: int
    category: str | None
    category_name: str | None
    proof: str | None
    code: str
    qr_code: str
    pdf: str
    calendar: str
    checked_in_at: datetime | None
    given_to: str | None
    given_at: datetime | None
    received_from: str | None
    received_at: datetime | None
    session_cancelled_for: str | None


class TicketPage(msgspec.Struct, frozen=True, kw_only=True):
    tickets: list[TicketAnswer]
    page: int
    page_size: int
    total: int


class TransferAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`ticket_id` is void now. `new_ticket_id` is the recipient's ticket; only they can read it."""

    transfer_id: UUID
    status: Literal["transferred"]
    ticket_id: UUID
    new_ticket_id: UUID
    session_id: UUID
    seat_id: int
    area: str
    row: str
    number: int
    transferred_at: datetime
    given_to: str
