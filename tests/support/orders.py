"""Orders in booking's events."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from chassis.events.envelope import Event
from chassis.ids import uuid7
from contracts.booking import (
    ORDER_CANCELLED,
    ORDER_CREATED,
    ORDER_PAID,
    TICKET_TRANSFERRED,
    IssuedTicket,
    OrderCancelled,
    OrderCreated,
    OrderItem,
    OrderPaid,
    PaymentRefunded,
    RefundChanged,
    RefundItem,
    TicketTransferred,
)

ORDER_ID = UUID("01890000-0000-7000-8000-000000000001")
USER_ID = UUID("01890000-0000-7000-8000-000000000002")
SESSION_ID = UUID("01890000-0000-7000-8000-000000000003")
AREA_ID = UUID("01890000-0000-7000-8000-000000000004")
STARTS_AT = datetime(2026, 8, 15, 11, 30, tzinfo=UTC)
SHOW = "周杰伦 2026 世界巡回演唱会"
ITEMS = [
    OrderItem(seat_id=11, area_id=AREA_ID, area="VIP A区", row="3", number=12, price=128000),
    OrderItem(seat_id=90, area_id=AREA_ID, area="内场站席", row="", number=7, price=58000),
]


def order_created(**changes: Any) -> OrderCreated:
    fields: dict[str, Any] = {
        **_order(),
        "venue": "上海体育场",
        "starts_at": STARTS_AT,
        "time_zone": "Asia/Shanghai",
        "items": ITEMS,
        "total_amount": 186000,
        "currency": "CNY",
        "expires_at": datetime.now(UTC) + timedelta(minutes=15),
    }
    return OrderCreated(**{**fields, **changes})


def order_paid(**changes: Any) -> OrderPaid:
    tickets = [
        IssuedTicket(
            ticket_id=uuid7(),
            seat_id=item.seat_id,
            area=item.area,
            row=item.row,
            number=item.number,
            qr_code=f"http://localhost:8000/api/v1/tickets/{item.seat_id}/qr.png?code=abc",
        )
        for item in ITEMS
    ]
    fields: dict[str, Any] = {
        **_order(),
        "venue": "上海体育场",
        "starts_at": STARTS_AT,
        "time_zone": "Asia/Shanghai",
        "items": ITEMS,
        "total_amount": 186000,
        "currency": "CNY",
        "payment_id": uuid7(),
        "tickets": tickets,
    }
    return OrderPaid(**{**fields, **changes})


def order_cancelled(**changes: Any) -> OrderCancelled:
    return OrderCancelled(**{**_order(), "reason": "unpaid", **changes})


def payment_refunded(**changes: Any) -> PaymentRefunded:
    fields: dict[str, Any] = {
        **_order(),
        "payment_id": uuid7(),
        "amount": 186000,
        "currency": "CNY",
        "reason": "seats_gone",
    }
    return PaymentRefunded(**{**fields, **changes})


def refund(**changes: Any) -> RefundChanged:
    """The first ticket of the order, refunded with the organizer's approval."""
    first = ITEMS[0]
    fields: dict[str, Any] = {
        **_order(),
        "refund_id": uuid7(),
        "organizer_id": uuid7(),
        "venue": "上海体育场",
        "starts_at": STARTS_AT,
        "time_zone": "Asia/Shanghai",
        "cause": "buyer",
        "reason": "行程有变",
        "note": None,
        "automatic": False,
        "items": [
            RefundItem(
                uuid7(), first.seat_id, AREA_ID, first.area, first.row, first.number, first.price
            )
        ],
        "price": 128000,
        "fee": 12800,
        "amount": 115200,
        "currency": "CNY",
    }
    return RefundChanged(**{**fields, **changes})


def ticket_transferred(**changes: Any) -> TicketTransferred:
    fields: dict[str, Any] = {
        **{key: value for key, value in _order().items() if key != "user_id"},
        "transfer_id": uuid7(),
        "from_user_id": USER_ID,
        "to_user_id": uuid7(),
        "venue": "上海体育场",
        "starts_at": STARTS_AT,
        "time_zone": "Asia/Shanghai",
        "ticket_id": uuid7(),
        "ticket": order_paid().tickets[0],
    }
    return TicketTransferred(**{**fields, **changes})


def event_of(
    order: OrderCreated | OrderPaid | OrderCancelled | RefundChanged | TicketTransferred,
    request_id: str = "req-1",
    type_: str | None = None,
) -> Event:
    """`type_`: for a refund, which has several event types."""
    types = {
        OrderCreated: ORDER_CREATED,
        OrderPaid: ORDER_PAID,
        OrderCancelled: ORDER_CANCELLED,
        TicketTransferred: TICKET_TRANSFERRED,
    }
    return Event(
        id=uuid7(),
        type=type_ or types[type(order)],
        source="booking",
        subject=str(order.order_id),
        time=datetime.now(UTC),
        requestid=request_id,
        data=msgspec.Raw(msgspec.json.encode(order)),
    )


def _order() -> dict[str, Any]:
    return {
        "order_id": ORDER_ID,
        "order_no": "ST-20260815-7K3M",
        "user_id": USER_ID,
        "session_id": SESSION_ID,
        "title": SHOW,
    }
