"""Paying an order: the body, the answer, and which ways of paying there are."""

from typing import Annotated, Literal, get_args
from uuid import UUID

import msgspec

from booking.orders.wire import PaymentAnswer
from chassis.http.bodies import full_match
from contracts.booking import IssuedTicket

PaymentMethod = Literal["alipay", "wechat_pay", "card"]


class PayOrder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How to pay, and the provider's token for it."""

    payment_method: PaymentMethod
    payment_token: Annotated[str, msgspec.Meta(pattern=full_match("[!-~]{1,255}"))]


class PaymentOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How an order is paid here. `test_tokens`: what `payment_token` may be where no money moves, one for
    each way that a payment can end; empty where it does."""

    provider: str
    payment_methods: list[str]
    test_tokens: list[str]


class PayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`paid` with tickets, or `pending_payment` while the provider has yet to answer."""

    order_id: UUID
    status: Literal["paid", "pending_payment"]
    tickets: list[IssuedTicket]
    payment: PaymentAnswer


PAYMENT_METHODS: tuple[str, ...] = get_args(PaymentMethod)
