"""What becomes of orders, refunds and tickets, counted where every such change comes by once: when the
relay's leader has delivered its event. So nothing of this costs a request anything, and what a sweeper or a
callback does counts as well. A relay that dies between delivery and deletion counts its last batch twice.
"""

from collections.abc import Sequence

import msgspec

from chassis.events.envelope import Event
from chassis.observability.hot import HotCounter
from contracts import booking as told

ORDERS = HotCounter(
    "stampede_orders_total",
    "Orders by the state that they came to, and why they were cancelled.",
    ["state", "reason"],
)
REFUNDS = HotCounter("stampede_refunds_total", "Refunds by the state that they came to.", ["state"])
PAYMENTS_RETURNED = HotCounter(
    "stampede_payments_returned_total",
    "Payments that bought nothing and went back by themselves, by reason.",
    ["reason"],
)
TICKETS = HotCounter("stampede_tickets_total", "Tickets by what happened to them.", ["change"])
SEATS = HotCounter("stampede_seat_changes_total", "Seats by what happened to them.", ["change"])


class _Reason(msgspec.Struct):
    reason: str


class _Tickets(msgspec.Struct):
    tickets: list[msgspec.Raw]


class _Seats(msgspec.Struct):
    seats: list[msgspec.Raw]


CANCEL_REASONS = ("user", "unpaid", "session_cancelled")
RETURN_REASONS = ("seats_gone", "limit_reached", "order_cancelled", "paid_already", "order_lost")
OTHER = "other"

_PLAIN = {
    told.ORDER_CREATED: ORDERS.labels("created", ""),
    told.ORDER_PAID: ORDERS.labels("paid", ""),
    told.ORDER_COMPLETED: ORDERS.labels("completed", ""),
    told.ORDER_REFUNDED: ORDERS.labels("refunded", ""),
    told.REFUND_REQUESTED: REFUNDS.labels("requested"),
    told.REFUND_APPROVED: REFUNDS.labels("approved"),
    told.REFUND_REJECTED: REFUNDS.labels("rejected"),
    told.REFUND_SUCCEEDED: REFUNDS.labels("succeeded"),
    told.REFUND_FAILED: REFUNDS.labels("failed"),
    told.TICKET_TRANSFERRED: TICKETS.labels("transferred"),
    told.TICKET_CHECKED_IN: TICKETS.labels("checked_in"),
}
_BY_REASON = {
    told.ORDER_CANCELLED: {
        one: ORDERS.labels("cancelled", one) for one in (*CANCEL_REASONS, OTHER)
    },
    told.PAYMENT_REFUNDED: {one: PAYMENTS_RETURNED.labels(one) for one in (*RETURN_REASONS, OTHER)},
}
_ISSUED = TICKETS.labels("issued")
_SEATS = {
    told.SEATS_HELD: SEATS.labels("held"),
    told.SEATS_SOLD: SEATS.labels("sold"),
    told.SEATS_RELEASED: SEATS.labels("released"),
    told.SEATS_BLOCKED: SEATS.labels("blocked"),
    told.SEATS_UNBLOCKED: SEATS.labels("unblocked"),
}


def count_relayed(events: Sequence[Event]) -> None:
    """`events`: of booking, delivered."""
    for event in events:
        type_ = event.type
        if (plain := _PLAIN.get(type_)) is not None:
            plain.inc()
        elif (by_reason := _BY_REASON.get(type_)) is not None:
            reason = msgspec.json.decode(event.data, type=_Reason).reason
            by_reason.get(reason, by_reason[OTHER]).inc()
        elif (seats := _SEATS.get(type_)) is not None:
            seats.inc(len(msgspec.json.decode(event.data, type=_Seats).seats))
        elif type_ == told.TICKETS_ISSUED:
            _ISSUED.inc(len(msgspec.json.decode(event.data, type=_Tickets).tickets))
