"""What the audit walks, page by page (sql/pages.sql)."""

from uuid import UUID

import msgspec

BEGINNING = UUID(int=0)  # before every key
END = UUID(int=2**128 - 1)


class Walk(msgspec.Struct, frozen=True):
    """`rows`: of a page, about; it takes some tens of milliseconds.

    ends: rows are done with some day. Then a routine audit leaves out old ones.
    """

    name: str
    rows: int = 2_000
    ends: bool = True


ORDERS = Walk("orders")
SESSIONS = Walk("sessions")  # with all their orders
CLAIMS = Walk("claims")  # sessions, with all their claims
TICKETS = Walk("tickets")
PAYMENTS = Walk("payments")
REFUNDS = Walk("refunds")
TRANSFERS = Walk("transfers")
REDEMPTIONS = Walk("redemptions")
CODES = Walk("codes", rows=20, ends=False)  # with all their uses
CANCELLATIONS = Walk("cancellations", rows=20)  # sessions, with all their orders and claims
