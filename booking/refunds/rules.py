"""What may be refunded, by the order, the show's terms and the door. No I/O."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from booking.domain.machine import IllegalTransition
from booking.domain.order import ORDERS, OrderStatus, OrderStep
from booking.domain.problems import (
    OrderNotRefundable,
    RefundAlreadyRequested,
    RefundNotAllowed,
)
from booking.domain.refund import fee_of, quote
from booking.domain.ticket import TicketStatus
from booking.refunds.store import OrderForRefund, TicketForRefund
from booking.refunds.wire import (
    OfferedTicket,
    RefundOffer,
)
from chassis.clock import whole_second
from chassis.problems import FieldError, Problem, ValidationFailed
from contracts.catalog import RefundPolicy, SessionTerms

FREE_OF_CHARGE = RefundPolicy(until_hours=0)  # what holds once the session has been cancelled


def refuse_order(order: OrderForRefund, every: Sequence[TicketForRefund]) -> None:
    """Only a paid order is refunded, and only once."""
    if order.status is OrderStatus.REFUNDED:
        raise _already(next((one for one in every if one.refund_id is not None), None))
    try:
        ORDERS.advance(order.status, OrderStep.REFUND)
    except IllegalTransition:
        raise OrderNotRefundable() from None


def choose(
    order: OrderForRefund, every: Sequence[TicketForRefund], wanted: Sequence[UUID] | None
) -> list[TicketForRefund]:
    """The tickets to refund: those named, else all that are left. Raises why one of them cannot be."""
    if wanted is None:
        left = [one for one in every if one.status is not TicketStatus.VOID]
        chosen = [one for one in left if one.refund_id is None]
        if not chosen:
            raise _already(left[0] if left else None)
    else:
        known = {one.ticket_id: one for one in every}
        errors = [
            FieldError(f"ticket_ids.{place}", "is no ticket of this order")
            for place, ticket_id in enumerate(wanted)
            if ticket_id not in known
        ]
        if len(set(wanted)) < len(wanted):
            errors.append(FieldError("ticket_ids", "names a ticket twice"))
        if errors:
            raise ValidationFailed(errors=errors)
        chosen = [known[ticket_id] for ticket_id in wanted]
    for one in chosen:
        if one.refund_id is not None:
            raise _already(one)
    _refuse_used(order, chosen)
    return sorted(chosen, key=lambda one: one.seat_id)


def _refuse_used(order: OrderForRefund, chosen: Sequence[TicketForRefund]) -> None:
    if order.session_cancelled:
        return  # whoever has it and wherever he stands with it, its money goes back
    for reason, used in (
        ("checked_in", [one for one in chosen if one.status is TicketStatus.CHECKED_IN]),
        (
            "passed_on",
            [one for one in chosen if one.status is TicketStatus.VOID or _elsewhere(order, one)],
        ),
    ):
        if used:
            tickets = [one.ticket_id for one in used]
            raise RefundNotAllowed(
                "Some of these tickets were used or passed on.", reason=reason, tickets=tickets
            )


def _elsewhere(order: OrderForRefund, ticket: TicketForRefund) -> bool:
    return ticket.user_id != order.user_id


def refuse_by_terms(order: OrderForRefund, policy: RefundPolicy) -> None:
    """Raises RefundNotAllowed."""
    if order.session_cancelled:
        return
    if not policy.refundable:
        raise RefundNotAllowed("Tickets of this show are not refunded.", reason="not_refundable")
    if order.starts_in_s < policy.until_hours * 3600:
        until = whole_second(order.starts_at - timedelta(hours=policy.until_hours))
        raise RefundNotAllowed(
            f"Tickets of this show are refunded until {policy.until_hours} hours before it begins.",
            reason="too_late",
            until=until,
        )


def _offer(
    order: OrderForRefund, every: Sequence[TicketForRefund], terms: SessionTerms
) -> RefundOffer:
    policy = FREE_OF_CHARGE if order.session_cancelled else terms.refund_policy
    refused: Problem | None = None
    left = [one for one in every if one.status is TicketStatus.VALID and one.refund_id is None]
    left = [one for one in left if not _elsewhere(order, one)]
    try:
        refuse_order(order, every)
        choose(order, every, [one.ticket_id for one in left] or None)
        refuse_by_terms(order, policy)
    except Problem as problem:
        refused, left = problem, []
    kept = {one.ticket_id: 0 if order.session_cancelled else one.kept for one in left}
    cost = quote([(one.price, kept[one.ticket_id]) for one in left], policy.fee_kind, policy.fee)
    return RefundOffer(
        allowed=refused is None,
        code=refused.code if refused else None,
        reason=refused.extra.get("reason") if refused else None,
        until=whole_second(order.starts_at - timedelta(hours=policy.until_hours)),
        approval=policy.approval,
        tickets=[
            OfferedTicket(
                ticket_id=one.ticket_id,
                seat_id=one.seat_id,
                price=one.price,
                fee=fee_of(one.price, policy.fee_kind, policy.fee, kept[one.ticket_id]),
            )
            for one in left
        ],
        price=cost.price,
        fee=cost.fee,
        amount=cost.amount,
        currency=order.currency,
    )


def _already(ticket: TicketForRefund | None) -> RefundAlreadyRequested:
    if ticket is None or ticket.refund_id is None:
        return RefundAlreadyRequested()
    return RefundAlreadyRequested(refund_id=ticket.refund_id, refund_status=ticket.refund_state)
