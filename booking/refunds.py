"""Refunds as buyers ask for them and organizers decide them.

A request is judged by the show's terms as they are now, its time by PostgreSQL's clock. Terms are
asked of catalog before the transaction; whatever else decides is read under the order's lock.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from booking.domain.order import IllegalTransition, OrderStatus, OrderStep, advance
from booking.domain.problems import (
    OrderNotRefundable,
    RefundAlreadyDecided,
    RefundAlreadyRequested,
    RefundNotAllowed,
    RefundNotFailed,
)
from booking.domain.refund import GRANTED, RefundState, fee_of, quote
from booking.granting import (
    BEFORE_THE_DOOR,
    WHOEVER,
    Freed,
    after_granting,
    ask,
    grant,
    refund_told,
)
from booking.refund_answers import (
    OfferedTicket,
    OrderRefunds,
    RefundAnswer,
    RefundOffer,
    RefundPage,
    refund_answer,
)
from booking.requests import DecideRefund, RefundOrder
from booking.seats.holds import SeatHolds
from booking.sessions import Sessions
from booking.store import orders as stored_orders
from booking.store import refunds as stored
from booking.store.ending import tell
from booking.store.records import whole_second
from booking.store.refunds import OrderForRefund, Refund, TicketForRefund
from chassis.auth.tokens import Principal
from chassis.http.idempotency import Effect, once
from chassis.http.pagination import offset
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection
from chassis.problems import FieldError, NotFound, Problem, ValidationFailed
from contracts.booking import REFUND_REJECTED
from contracts.catalog import RefundPolicy, SessionTerms

log = logs.get("booking")

FREE_OF_CHARGE = RefundPolicy(until_hours=0)  # what holds once the session has been cancelled


class Refunds:
    """Those that POST something answer with chassis.http.idempotency's response."""

    def __init__(self, pool: Pool, *, sessions: Sessions, holds: SeatHolds) -> None:
        self._pool = pool
        self._sessions = sessions
        self._holds = holds

    async def request(
        self, user_id: UUID, order_id: UUID, wanted: RefundOrder, key: str | None
    ) -> Any:
        """202 with the refund: granted already where the show's terms say so.

        Raises NotFound, OrderNotRefundable, RefundNotAllowed, RefundAlreadyRequested.
        """
        terms = await self._terms_of_own(user_id, order_id)
        freed: list[Freed] = []

        async def effect(one: Connection) -> RefundAnswer:
            freed.clear()
            return await self._request(one, order_id, wanted, terms, freed)

        answer = await once(
            self._pool,
            user_id=user_id,
            route=f"request_refund {order_id}",
            key=key,
            body=wanted,
            status=202,
            effect=effect,
        )
        await after_granting(self._holds, freed)
        return answer

    async def _request(
        self,
        one: Connection,
        order_id: UUID,
        wanted: RefundOrder,
        terms: SessionTerms,
        freed: list[Freed],
    ) -> RefundAnswer:
        await stored.lock_any_order(one, order_id)
        order = await stored.get_order_for_refund(one, order_id)
        if order is None:
            raise NotFound()
        every = await stored.list_tickets(one, order_id)
        policy = FREE_OF_CHARGE if order.session_cancelled else terms.refund_policy
        refuse_order(order, every)
        chosen = choose(order, every, wanted.ticket_ids or None)
        refuse_by_terms(order, policy)
        refund = await ask(
            one,
            order,
            chosen,
            organizer_id=terms.organizer_id,
            cause="session_cancelled" if order.session_cancelled else "buyer",
            reason=wanted.reason,
            policy=policy,
        )
        log.info("refund_requested", order=order_id, refund=refund.refund_id, seats=len(chosen))
        if policy.approval == "automatic":
            states = WHOEVER if order.session_cancelled else BEFORE_THE_DOOR
            refund_id = refund.refund_id
            freed.append(await grant(one, order, refund_id, decided_by=None, states=states))
        return refund_answer(await _read(one, refund.refund_id))

    async def approve(
        self, principal: Principal, refund_id: UUID, wanted: DecideRefund, key: str | None
    ) -> Any:
        """One that is granted already is answered as it is.

        Raises NotFound, RefundAlreadyDecided (it was rejected), RefundNotAllowed, OrderNotRefundable.
        """
        freed: list[Freed] = []

        async def effect(one: Connection) -> RefundAnswer:
            freed.clear()
            refund = await self._to_decide(one, principal, refund_id)
            if refund.state is RefundState.REJECTED:
                raise RefundAlreadyDecided(refund_status=refund.state.value)
            if refund.state is RefundState.REQUESTED:
                order = await stored.get_order_for_refund(one, refund.order_id)
                if order is None or order.status is not OrderStatus.PAID:
                    raise OrderNotRefundable()
                by = principal.user_id
                freed.append(await grant(one, order, refund_id, decided_by=by, note=wanted.note))
            return refund_answer(await _read(one, refund_id))

        answer = await self._decide(
            principal, f"approve_refund {refund_id}", key=key, body=wanted, effect=effect
        )
        await after_granting(self._holds, freed)
        return answer

    async def reject(
        self, principal: Principal, refund_id: UUID, wanted: DecideRefund, key: str | None
    ) -> Any:
        """One that is rejected already is answered as it is. Raises NotFound, RefundAlreadyDecided."""

        async def effect(one: Connection) -> RefundAnswer:
            refund = await self._to_decide(one, principal, refund_id)
            if refund.state in GRANTED:
                raise RefundAlreadyDecided(refund_status=refund.state.value)
            if await stored.reject_refund(
                one, refund_id, decided_by=principal.user_id, note=wanted.note
            ):
                rejected = await _read(one, refund_id)
                entry, event = refund_told(REFUND_REJECTED, rejected)
                await tell(one, [entry], [event])
                log.info("refund_rejected", refund=refund_id, order=refund.order_id)
            return refund_answer(await _read(one, refund_id))

        return await self._decide(
            principal, f"reject_refund {refund_id}", key=key, body=wanted, effect=effect
        )

    async def retry(self, principal: Principal, refund_id: UUID, key: str | None) -> Any:
        """What the provider has failed for good is asked of it anew, under a new key."""

        async def effect(one: Connection) -> RefundAnswer:
            refund = await self._to_decide(one, principal, refund_id)
            if not await stored.retry_refund(one, refund_id, uuid7()):
                raise RefundNotFailed(refund_status=refund.state.value)
            log.info("refund_retried", refund=refund_id, order=refund.order_id)
            return refund_answer(await _read(one, refund_id))

        return await self._decide(
            principal, f"retry_refund {refund_id}", key=key, body=None, effect=effect
        )

    async def _decide(
        self, principal: Principal, route: str, *, key: str | None, body: Any, effect: Effect
    ) -> Any:
        return await once(
            self._pool,
            user_id=principal.user_id,
            route=route,
            key=key,
            body=body,
            status=200,
            effect=effect,
        )

    async def _to_decide(self, one: Connection, principal: Principal, refund_id: UUID) -> Refund:
        """The refund, its order locked. Raises NotFound unless it is of the organizer's own show."""
        refund = await stored.get_refund(one, refund_id)
        if refund is None or not _decides(principal, refund):
            raise NotFound()
        await stored.lock_any_order(one, refund.order_id)
        return await _read(one, refund_id)  # as whoever we waited for has left it

    async def get(self, principal: Principal, refund_id: UUID) -> RefundAnswer:
        """For its buyer and for who decides. Raises NotFound."""
        async with connection(self._pool) as one:
            refund = await stored.get_refund(one, refund_id)
        if refund is None or not (
            refund.user_id == principal.user_id or _decides(principal, refund)
        ):
            raise NotFound()
        return refund_answer(refund)

    async def list(
        self, principal: Principal, state: RefundState | None, page: int, page_size: int
    ) -> RefundPage:
        """Of the organizer's own shows, an admin's of all; the oldest first."""
        async with connection(self._pool) as one:
            found, total = await stored.list_refunds(
                one,
                organizer_id=None if "admin" in principal.roles else principal.user_id,
                state=state,
                limit=page_size,
                offset=offset(page, page_size),
            )
        answers = [refund_answer(refund) for refund in found]
        return RefundPage(refunds=answers, page=page, page_size=page_size, total=total)

    async def of_order(self, user_id: UUID, order_id: UUID) -> OrderRefunds:
        """What was asked of one's own order, and what one would get back for the rest of it now."""
        terms = await self._terms_of_own(user_id, order_id)
        async with connection(self._pool) as one:
            order = await stored.get_order_for_refund(one, order_id)
            every = await stored.list_tickets(one, order_id)
            refunds = await stored.list_refunds_of_order(one, order_id)
        if order is None:
            raise NotFound()
        return OrderRefunds(
            refunds=[refund_answer(refund) for refund in refunds], offer=_offer(order, every, terms)
        )

    async def _terms_of_own(self, user_id: UUID, order_id: UUID) -> SessionTerms:
        """Of the session that the user's own order is for. Raises NotFound."""
        async with connection(self._pool) as one:
            order = await stored_orders.get_order(one, order_id, user_id)
        if order is None:
            raise NotFound()
        return await self._sessions.terms(order.session_id)


def refuse_order(order: OrderForRefund, every: Sequence[TicketForRefund]) -> None:
    """Only a paid order is refunded, and only once."""
    if order.status is OrderStatus.REFUNDED:
        raise _already(next((one for one in every if one.refund_id is not None), None))
    try:
        advance(order.status, OrderStep.REFUND)
    except IllegalTransition:
        raise OrderNotRefundable() from None


def choose(
    order: OrderForRefund, every: Sequence[TicketForRefund], wanted: Sequence[UUID] | None
) -> list[TicketForRefund]:
    """The tickets to refund: those named, else all that are left. Raises why one of them cannot be."""
    if wanted is None:
        left = [one for one in every if one.status != "void"]
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
        ("checked_in", [one for one in chosen if one.status == "checked_in"]),
        ("passed_on", [one for one in chosen if one.status == "void" or _elsewhere(order, one)]),
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
    left = [one for one in every if one.status == "valid" and one.refund_id is None]
    left = [one for one in left if not _elsewhere(order, one)]
    try:
        refuse_order(order, every)
        choose(order, every, [one.ticket_id for one in left] or None)
        refuse_by_terms(order, policy)
    except Problem as problem:
        refused, left = problem, []
    cost = quote([one.price for one in left], policy.fee_kind, policy.fee)
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
                fee=fee_of(one.price, policy.fee_kind, policy.fee),
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


def _decides(principal: Principal, refund: Refund) -> bool:
    if "admin" in principal.roles:
        return True
    return "organizer" in principal.roles and refund.organizer_id == principal.user_id


async def _read(one: Connection, refund_id: UUID) -> Refund:
    refund = await stored.get_refund(one, refund_id)
    if refund is None:
        raise NotFound()
    return refund
