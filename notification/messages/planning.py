"""The messages that an event causes; each becomes a row.

An SMS goes beside a mail to accounts with a phone number. Nothing here knows who has one, and few have. So
the sender plans it, when it reads the account for the mail (ALSO_BY_SMS).

| event | mail | SMS |
|---|---|---|
| order.created | order_confirmation | |
| order.paid | payment_receipt | payment_receipt |
| order.cancelled | order_cancellation | |
| payment.refunded | payment_refund | |
| refund.requested | refund_requested, unless approved automatically | |
| refund.approved | refund_approved; session_cancelled if the session was cancelled | session_cancelled |
| refund.rejected | refund_rejected | |
| refund.succeeded | refund_succeeded | |
| ticket.transferred | ticket_received to the recipient, ticket_sent to the giver | |
| password.reset_asked | password_reset, sent before all others | |
| password.changed | password_changed | |
"""

from collections.abc import Sequence

import msgspec

from chassis.events.envelope import Event
from chassis.ids import uuid7
from chassis.postgres.pool import Connection
from contracts.booking import (
    ORDER_CANCELLED,
    ORDER_CREATED,
    ORDER_PAID,
    PAYMENT_REFUNDED,
    REFUND_APPROVED,
    REFUND_REJECTED,
    REFUND_REQUESTED,
    REFUND_SUCCEEDED,
    TICKET_TRANSFERRED,
    OrderCancelled,
    OrderCreated,
    OrderPaid,
    PaymentRefunded,
    RefundChanged,
    TicketTransferred,
)
from contracts.identity import (
    PASSWORD_CHANGED,
    PASSWORD_RESET_ASKED,
    PasswordChanged,
    PasswordResetAsked,
)
from contracts.rehearsals import is_rehearsal
from notification.messages import store
from notification.messages.store import PlannedMessage

Order = (
    OrderCreated | OrderPaid | OrderCancelled | PaymentRefunded | RefundChanged | TicketTransferred
)
# The subject of a message: an order, or an account.
Matter = Order | PasswordResetAsked | PasswordChanged

EMAIL, SMS = "email", "sms"
KINDS: dict[str, type[Matter]] = {
    ORDER_CREATED: OrderCreated,
    ORDER_PAID: OrderPaid,
    ORDER_CANCELLED: OrderCancelled,
    PAYMENT_REFUNDED: PaymentRefunded,
    REFUND_REQUESTED: RefundChanged,
    REFUND_APPROVED: RefundChanged,
    REFUND_REJECTED: RefundChanged,
    REFUND_SUCCEEDED: RefundChanged,
    TICKET_TRANSFERRED: TicketTransferred,
    PASSWORD_RESET_ASKED: PasswordResetAsked,
    PASSWORD_CHANGED: PasswordChanged,
}
_DECODERS = {type_: msgspec.json.Decoder(kind) for type_, kind in KINDS.items()}
MESSAGES: dict[str, tuple[tuple[str, str], ...]] = {
    ORDER_CREATED: (("order_confirmation", EMAIL),),
    ORDER_PAID: (("payment_receipt", EMAIL),),
    ORDER_CANCELLED: (("order_cancellation", EMAIL),),
    PAYMENT_REFUNDED: (("payment_refund", EMAIL),),
    REFUND_REQUESTED: (("refund_requested", EMAIL),),
    REFUND_APPROVED: (("refund_approved", EMAIL),),
    REFUND_REJECTED: (("refund_rejected", EMAIL),),
    REFUND_SUCCEEDED: (("refund_succeeded", EMAIL),),
    TICKET_TRANSFERRED: (("ticket_received", EMAIL), ("ticket_sent", EMAIL)),
    PASSWORD_RESET_ASKED: (("password_reset", EMAIL),),
    PASSWORD_CHANGED: (("password_changed", EMAIL),),
}
ALSO_BY_SMS = {"payment_receipt", "session_cancelled"}  # mails
URGENT = {"password_reset"}  # the user is waiting for it
# The event's field with the recipient, if that is not the order's buyer or the account's owner.
READERS = {"ticket_received": "to_user_id", "ticket_sent": "from_user_id"}


def matter_of(event: Event) -> Matter:
    """The event's data. Raises if they do not match the contract."""
    matter: Matter = _DECODERS[event.type].decode(event.data)
    return matter


def messages_of(event_type: str, matter: Matter) -> tuple[tuple[str, str], ...]:
    """Pairs of template and channel. An automatic refund sends no `refund_requested`: its buyer waits for
    nobody. For a cancelled session one mail reports the cancellation and the refund."""
    if isinstance(matter, RefundChanged):
        if event_type == REFUND_REQUESTED and (
            matter.automatic or matter.cause == "session_cancelled"
        ):
            return ()
        if event_type == REFUND_APPROVED and matter.cause == "session_cancelled":
            return (("session_cancelled", EMAIL),)
    return MESSAGES[event_type]


async def plan_messages(tx: Connection, events: Sequence[Event]) -> None:
    """Part of the inbox's `apply`. Ignores events of other types, and of rehearsals: nobody is written to."""
    planned = []
    for event in events:
        if event.type in KINDS:
            matter = matter_of(event)
            if isinstance(matter, Order) and is_rehearsal(matter.session_id):
                continue
            for template, channel in messages_of(event.type, matter):
                reader = getattr(matter, READERS.get(template, "user_id"))
                urgent = template in URGENT
                planned.append(PlannedMessage(uuid7(), template, channel, reader, event, urgent))
    if planned:
        await store.plan_messages(tx, planned)
