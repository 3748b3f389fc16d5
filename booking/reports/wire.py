"""Response bodies of the organizer's lists. Amounts are in minor units of `currency`, times in UTC."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from booking.reports.store import AttendeeRow, OrderRow, RefundOfOrder, SoldItem
from chassis.clock import whole_second
from contracts.booking import ItemFee
from contracts.identity import Account

NOT_OWED = frozenset({"requested", "rejected"})  # these refunds return no money (yet)


class PersonAnswer(msgspec.Struct, frozen=True):
    """The buyer or holder. `name` and `email` are null if the account no longer exists."""

    user_id: UUID
    name: str | None
    email: str | None


class SessionOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order. `refunded_amount` is the part of `total_amount` that was refunded or is being refunded.
    `fees`
    and `tax` are contained in `total_amount`; `organizer_fees` are not, the organizer bears them."""

    order_id: UUID
    order_no: str
    status: str
    cancel_reason: str | None
    buyer: PersonAnswer
    items: list[SoldItem]
    total_amount: int
    discount: int
    promo_code: str | None
    fees: int
    tax: int
    organizer_fees: int
    refunded_amount: int
    refunds: list[RefundOfOrder]
    currency: str
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None


class SessionOrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `next_cursor` is null on the last page."""

    orders: list[SessionOrder]
    page: int
    page_size: int
    total: int
    next_cursor: str | None


class Attendee(msgspec.Struct, frozen=True, kw_only=True):
    """A valid or checked-in ticket with its current holder. The ticket's code is never included."""

    ticket_id: UUID
    status: Literal["valid", "checked_in"]
    holder: PersonAnswer
    order_id: UUID
    order_no: str
    seat_id: int
    area_id: UUID
    area: str
    row: str
    number: int
    category: str | None
    category_name: str | None
    proof: str | None
    checked_in_at: datetime | None
    gate: str | None


class AttendeePage(msgspec.Struct, frozen=True, kw_only=True):
    """In seat order. `next_cursor` is null on the last page."""

    attendees: list[Attendee]
    page: int
    page_size: int
    total: int
    next_cursor: str | None


class AreaSales(msgspec.Struct, frozen=True, kw_only=True):
    """`free` = `capacity` − `sold` − `held` − `blocked`; `revenue` = `gross` − `refunded`; `gross` =
    `gross_tickets` + `gross_fees`. `gross_tax` is contained in `gross`. `organizer_fees` of all that was sold
    come out of it."""

    area_id: UUID
    name: str
    kind: str
    price: int
    capacity: int
    sold: int
    held: int
    blocked: int
    free: int
    gross: int
    gross_tickets: int
    gross_fees: int
    gross_tax: int
    organizer_fees: int
    refunded: int
    revenue: int


class CategorySales(msgspec.Struct, frozen=True, kw_only=True):
    """A price category. `sold`: its tickets that were not refunded. Amounts as in AreaSales."""

    category: str
    name: str
    sold: int
    gross: int
    gross_tickets: int
    gross_fees: int
    gross_tax: int
    organizer_fees: int
    refunded: int
    revenue: int


class SessionSales(msgspec.Struct, frozen=True, kw_only=True):
    """Seats and amounts at one moment, `as_of`: the totals of all areas, each area's figures, and those
    of each price category if the session has any."""

    session_id: UUID
    as_of: datetime
    currency: str
    capacity: int
    sold: int
    held: int
    blocked: int
    free: int
    gross: int
    gross_tickets: int
    gross_fees: int
    gross_tax: int
    organizer_fees: int
    refunded: int
    revenue: int
    areas: list[AreaSales]
    categories: list[CategorySales]


def session_order(order: OrderRow, buyer: Account | None) -> SessionOrder:
    return SessionOrder(
        order_id=order.order_id,
        order_no=order.order_no,
        status=order.status,
        cancel_reason=order.cancel_reason,
        buyer=_person(order.user_id, buyer),
        items=order.items,
        total_amount=order.total_amount,
        discount=order.discount,
        promo_code=order.promo_code,
        fees=_sum(item.fees for item in order.items),
        tax=sum(tax.amount for item in order.items for tax in item.tax),
        organizer_fees=_sum(item.costs for item in order.items),
        refunded_amount=sum(one.amount for one in order.refunds if one.status not in NOT_OWED),
        refunds=order.refunds,
        currency=order.currency,
        created_at=whole_second(order.created_at),
        expires_at=whole_second(order.expires_at),
        paid_at=whole_second(order.paid_at) if order.paid_at else None,
    )


def attendee(ticket: AttendeeRow, holder: Account | None) -> Attendee:
    return Attendee(
        ticket_id=ticket.ticket_id,
        status="checked_in" if ticket.status == "checked_in" else "valid",
        holder=_person(ticket.user_id, holder),
        order_id=ticket.order_id,
        order_no=ticket.order_no,
        seat_id=ticket.seat_id,
        area_id=ticket.area_id,
        area=ticket.area,
        row=ticket.row,
        number=ticket.number,
        category=ticket.category,
        category_name=ticket.category_name,
        proof=ticket.proof,
        checked_in_at=whole_second(ticket.checked_in_at) if ticket.checked_in_at else None,
        gate=ticket.gate,
    )


def _person(user_id: UUID, account: Account | None) -> PersonAnswer:
    if account is None:
        return PersonAnswer(user_id, None, None)
    return PersonAnswer(user_id, account.full_name, account.email)


def _sum(lines: Iterable[Sequence[ItemFee]]) -> int:
    return sum(fee.amount for some in lines for fee in some)
