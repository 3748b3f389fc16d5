"""A finding, and what is known of a charge from PostgreSQL."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from booking.providers.protocol import ListedCharge


class Kind(StrEnum):
    """What is the matter; the command's documentation lists them (docs/operations.md)."""

    CHARGE_WITHOUT_ORDER = "charge_without_order"
    CHARGE_WITHOUT_PAYMENT = "charge_without_payment"
    PAYMENT_BEHIND = "payment_behind"
    CHARGE_PENDING = "charge_pending"
    CHARGE_MISMATCH = "charge_mismatch"
    REFUND_UNSENT = "refund_unsent"
    REFUND_UNKNOWN = "refund_unknown"
    REFUND_BEHIND = "refund_behind"
    REFUND_WITHOUT_ORDER = "refund_without_order"
    MAIL_WITHOUT_ORDER = "mail_without_order"
    EVENT_WITHOUT_ORDER = "event_without_order"
    HOLD_WITHOUT_ORDER = "hold_without_order"
    SEATS_DIFFER = "seats_differ"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`what`: what was or will be done, or what somebody must do, in a sentence. `left`: whether it is
    still so. `amount`: minor units. `at`: when it happened; `starts_at`: the date of the session."""

    kind: Kind
    left: bool
    what: str
    order_id: UUID | None = None
    order_no: str | None = None
    payment_id: UUID | None = None
    refund_id: UUID | None = None
    event_id: UUID | None = None
    user_id: UUID | None = None
    session_id: UUID | None = None
    title: str | None = None
    starts_at: datetime | None = None
    seats: list[int] = []
    amount: int | None = None
    currency: str | None = None
    template: str | None = None
    at: datetime | None = None


class KnownCharge(msgspec.Struct, frozen=True, kw_only=True):
    """What PostgreSQL knows of a charge. The order's columns are None if it is not there.

    decided: reconcile has restored its order, or (refund_key) sends its money back.
    """

    payment_id: UUID
    state: str | None
    paid_amount: int | None
    paid_currency: str | None
    order_id: UUID | None
    order_no: str | None
    user_id: UUID | None
    session_id: UUID | None
    title: str | None
    starts_at: datetime | None
    decided: bool
    refund_key: UUID | None
    refunded_at: datetime | None


def kind_of(charge: ListedCharge, known: KnownCharge) -> Kind | None:
    """What is the matter with a charge; None if nothing is. Pure.

    Money that has gone back entirely is the matter of its refund. Settled payments are compared by amount
    only: what became of their money is booking's own, and the audit's.
    """
    if charge.result.state == "pending":
        return Kind.CHARGE_PENDING if known.state is None else None
    if known.decided and known.refund_key is not None:
        return Kind.REFUND_UNSENT if known.refunded_at is None else None
    if charge.result.state == "declined" or charge.refunded >= charge.result.amount:
        return None
    return _of_taken(charge, known)


def _of_taken(charge: ListedCharge, known: KnownCharge) -> Kind | None:
    match known.state:
        case None:
            there = known.order_id is not None
            return Kind.CHARGE_WITHOUT_PAYMENT if there else Kind.CHARGE_WITHOUT_ORDER
        case "created" | "processing" | "failed":
            return Kind.PAYMENT_BEHIND
        case _:
            paid = (known.paid_amount, known.paid_currency)
            same = paid == (charge.result.amount, charge.result.currency)
            return None if same else Kind.CHARGE_MISMATCH


def about(
    kind: Kind, charge: ListedCharge, known: KnownCharge, *, left: bool, what: str
) -> Finding:
    """A finding about a charge, with what is known of it from either side."""
    bought = charge.purchase
    return Finding(
        kind=kind,
        left=left,
        what=what,
        order_id=known.order_id or charge.order_id,
        order_no=known.order_no or (bought.order_no if bought else None),
        payment_id=charge.payment_id,
        user_id=known.user_id or (bought.user_id if bought else None),
        session_id=known.session_id or (bought.session_id if bought else None),
        title=known.title,
        starts_at=known.starts_at,
        seats=bought.seats if bought else [],
        amount=charge.result.amount,
        currency=charge.result.currency,
        at=charge.created_at,
    )
