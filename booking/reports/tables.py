"""The organizer's lists as CSV (RFC 4180): UTF-8, CRLF line ends, a header row with stable names. Amounts are
in minor units, times are RFC 3339 in UTC. An empty field is unknown or has not happened.

Text from buyers, such as a name, must not become a formula in the organizer's spreadsheet (OWASP, CSV
injection): text that begins like a formula gets an apostrophe in front.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from booking.reports.store import SoldItem
from booking.reports.wire import AttendeePage, SessionOrderPage, SessionSales
from chassis.clock import rfc3339

FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
CONTROL_STARTS = ("\t", "\r", "\n")

ORDER_COLUMNS = (
    *("order_no", "order_id", "status", "created_at", "paid_at", "buyer_name", "buyer_email"),
    *("tickets", "seats", "total_amount", "discount", "promo_code", "refunded_amount", "currency"),
    *("fees", "tax", "organizer_fees"),
)
ATTENDEE_COLUMNS = (
    *("ticket_id", "order_no", "status", "holder_name", "holder_email"),
    *("area", "row", "seat", "checked_in_at", "gate", "category", "proof"),
)
SALES_COLUMNS = (
    *("area", "kind", "currency", "price", "capacity", "sold", "held", "blocked", "free"),
    *("gross", "refunded", "revenue", "gross_tickets", "gross_fees", "gross_tax", "organizer_fees"),
)


def harmless(text: str) -> str:
    """The text, defused so that no spreadsheet reads a formula, not even one that splits at semicolons."""
    return ";".join(map(_harmless_cell, text.split(";")))


def _harmless_cell(text: str) -> str:
    is_formula = text.lstrip().startswith(FORMULA_STARTS) or text.startswith(CONTROL_STARTS)
    return f"'{text}" if is_formula else text


def orders_table(page: SessionOrderPage) -> list[Sequence[Any]]:
    return [
        (
            order.order_no,
            order.order_id,
            order.status,
            order.created_at,
            order.paid_at,
            order.buyer.name,
            order.buyer.email,
            len(order.items),
            "; ".join(map(_seat, order.items)),
            order.total_amount,
            order.discount,
            order.promo_code,
            order.refunded_amount,
            order.currency,
            *(order.fees, order.tax, order.organizer_fees),
        )
        for order in page.orders
    ]


def attendees_table(page: AttendeePage) -> list[Sequence[Any]]:
    return [
        (
            one.ticket_id,
            one.order_no,
            one.status,
            one.holder.name,
            one.holder.email,
            one.area,
            one.row,
            one.number if one.row else None,  # a standing place has no seat number
            one.checked_in_at,
            one.gate,
            *(one.category_name, one.proof),
        )
        for one in page.attendees
    ]


def sales_table(sales: SessionSales) -> list[Sequence[Any]]:
    return [
        (
            area.name,
            area.kind,
            sales.currency,
            *(area.price, area.capacity, area.sold, area.held, area.blocked, area.free),
            *(area.gross, area.refunded, area.revenue),
            *(area.gross_tickets, area.gross_fees, area.gross_tax, area.organizer_fees),
        )
        for area in sales.areas
    ]


def encode_table(columns: Sequence[str] | None, rows: Iterable[Sequence[Any]]) -> bytes:
    """`columns`: the header row; None for a page that continues the previous one."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    if columns is not None:
        writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    return harmless(str(value))


def _seat(item: SoldItem) -> str:
    seat = f"{item.area} {item.row}-{item.number}" if item.row else item.area
    return f"{seat} ({item.category_name})" if item.category_name else seat
