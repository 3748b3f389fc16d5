"""Tickets as their owners read them, and the body that passes one on."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec


class TransferTicket(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`to_email`: the address that the recipient's account has."""

    to_email: Annotated[
        str,
        msgspec.Meta(min_length=3, max_length=320, extra_json_schema={"format": "email"}),
    ]


class TicketAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is what the QR picture holds; `qr_code`, `pdf` and `calendar` are URLs of the picture, of
    the page to print and of the calendar entry, and open without logging in.

    `given_to` and `received_from`: who has it now, and who gave it, by address, all but masked; null
    too where a ticket changed hands before such were kept. `session_cancelled_for`: why its session
    will not be played.
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
    """`ticket_id` is void from now on; `new_ticket_id` is the recipient's, who alone can read it."""

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
