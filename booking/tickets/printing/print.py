"""What is on a printed ticket."""

from datetime import datetime

import msgspec


class Print(msgspec.Struct, frozen=True, kw_only=True):
    """What is printed. `language`: of whoever reads it. `code`: what the QR symbol holds; `void`: the ticket
    is void."""

    language: str
    ticket_id: str
    order_no: str
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    area: str
    row: str
    number: int
    category_name: str | None
    proof: str | None
    code: str
    void: bool
