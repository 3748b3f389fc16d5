"""Which messages an event causes: the consumer's effect, a row a message.

| event | mail | SMS (to accounts with a phone number) |
|---|---|---|
| order.created | order_confirmation | |
| order.paid | payment_receipt | payment_receipt |
| order.cancelled | order_cancellation | |
"""

from collections.abc import Sequence

import msgspec

from booking.contract import (
    ORDER_CANCELLED,
    ORDER_CREATED,
    ORDER_PAID,
    OrderCancelled,
    OrderCreated,
    OrderPaid,
)
from chassis.events import Event
from chassis.ids import uuid7
from chassis.postgres import Connection
from notification import store
from notification.store import PlannedMessage

Order = OrderCreated | OrderPaid | OrderCancelled

EMAIL, SMS = "email", "sms"
KINDS: dict[str, type[Order]] = {
    ORDER_CREATED: OrderCreated,
    ORDER_PAID: OrderPaid,
    ORDER_CANCELLED: OrderCancelled,
}
_DECODERS = {type_: msgspec.json.Decoder(kind) for type_, kind in KINDS.items()}
MESSAGES: dict[str, tuple[tuple[str, str], ...]] = {
    ORDER_CREATED: (("order_confirmation", EMAIL),),
    ORDER_PAID: (("payment_receipt", EMAIL), ("payment_receipt", SMS)),
    ORDER_CANCELLED: (("order_cancellation", EMAIL),),
}


def order_of(event: Event) -> Order:
    """What the event says of its order. Raises when it is not what booking's contract promises."""
    order: Order = _DECODERS[event.type].decode(event.data)
    return order


async def plan_messages(held: Connection, events: Sequence[Event]) -> None:
    """chassis.inbox's `apply`. An event of another kind has no effect here."""
    planned = []
    for event in events:
        if event.type in KINDS:
            order = order_of(event)
            for template, channel in MESSAGES[event.type]:
                planned.append(PlannedMessage(uuid7(), template, channel, order.user_id, event))
    if planned:
        await store.plan_messages(held, planned)
