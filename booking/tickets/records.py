"""Tickets and their signing keys: rows as structs."""

from datetime import datetime
from uuid import UUID

import msgspec


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    ticket_id: UUID
    order_id: UUID
    session_id: UUID
    seat_id: int
    user_id: UUID
    status: str
    void_reason: str | None
    code: str
    area: str
    row: str
    number: int
    category: str | None
    category_name: str | None
    proof: str | None
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    order_no: str
    issued_at: datetime
    checked_in_at: datetime | None
    given_to: str | None
    given_at: datetime | None
    received_from: str | None
    received_at: datetime | None
    session_cancelled_for: str | None


class SigningKey(msgspec.Struct, frozen=True):
    kid: str
    purpose: str
    secret: bytes


class NewTicket(msgspec.Struct, frozen=True):
    ticket_id: UUID
    seat_id: int
    code: str
