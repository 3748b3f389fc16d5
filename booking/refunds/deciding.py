"""Refunds as buyers ask for them and organizers decide them.

A request is judged by the show's terms as they are now, its time by PostgreSQL's clock. Terms are
asked of catalog before the transaction; whatever else decides is read under the order's lock.
"""

from typing import Any
from uuid import UUID

from booking.clients.catalog import Sessions
from booking.domain.order import OrderStatus
from booking.domain.problems import (
    OrderNotRefundable,
    RefundAlreadyDecided,
    RefundNotFailed,
)
from booking.domain.refund import GRANTED, RefundState
from booking.domain.ticket import TicketStep, VoidingStep
from booking.events.store import record_and_publish
from booking.orders import store as order_store
from booking.refunds import store
from booking.refunds.granting import (
    FreedSeats,
    approve,
    ask,
    refund_told,
    sync_redis_after_refund,
)
from booking.refunds.rules import FREE_OF_CHARGE, _offer, choose, refuse_by_terms, refuse_order
from booking.refunds.store import Refund
from booking.refunds.wire import (
    DecideRefund,
    OrderRefunds,
    RefundAnswer,
    RefundOrder,
    RefundPage,
    refund_answer,
)
from booking.seats.holds import SeatHolds
from chassis.auth.tokens import Principal
from chassis.http.idempotency import Effect, once
from chassis.http.pagination import offset
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection
from chassis.problems import NotFound
from contracts.booking import REFUND_REJECTED
from contracts.catalog import SessionTerms

log = logs.get("booking")


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
        freed: list[FreedSeats] = []

        async def effect(tx: Connection) -> RefundAnswer:
            freed.clear()
            return await self._request(tx, order_id, wanted, terms, freed)

        answer = await once(
            self._pool,
            user_id=user_id,
            route=f"request_refund {order_id}",
            key=key,
            body=wanted,
            status=202,
            effect=effect,
        )
        await sync_redis_after_refund(self._holds, freed)
        return answer

    async def _request(
        self,
        tx: Connection,
        order_id: UUID,
        wanted: RefundOrder,
        terms: SessionTerms,
        freed: list[FreedSeats],
    ) -> RefundAnswer:
        await store.lock_any_order(tx, order_id)
        order = await store.get_order_for_refund(tx, order_id)
        if order is None:
            raise NotFound()
        every = await store.list_tickets(tx, order_id)
        policy = FREE_OF_CHARGE if order.session_cancelled else terms.refund_policy
        refuse_order(order, every)
        chosen = choose(order, every, wanted.ticket_ids or None)
        refuse_by_terms(order, policy)
        refund = await ask(
            tx,
            order,
            chosen,
            organizer_id=terms.organizer_id,
            cause="session_cancelled" if order.session_cancelled else "buyer",
            reason=wanted.reason,
            policy=policy,
        )
        log.info("refund_requested", order=order_id, refund=refund.refund_id, seats=len(chosen))
        if policy.approval == "automatic":
            refund_id = refund.refund_id
            step: VoidingStep = (
                TicketStep.CALL_OFF if order.session_cancelled else TicketStep.REFUND
            )
            freed.append(await approve(tx, order, refund_id, decided_by=None, step=step))
        return refund_answer(await _read(tx, refund.refund_id))

    async def approve(
        self, principal: Principal, refund_id: UUID, wanted: DecideRefund, key: str | None
    ) -> Any:
        """One that is granted already is answered as it is.

        Raises NotFound, RefundAlreadyDecided (it was rejected), RefundNotAllowed, OrderNotRefundable.
        """
        freed: list[FreedSeats] = []

        async def effect(tx: Connection) -> RefundAnswer:
            freed.clear()
            refund = await self._to_decide(tx, principal, refund_id)
            if refund.state is RefundState.REJECTED:
                raise RefundAlreadyDecided(refund_status=refund.state.value)
            if refund.state is RefundState.REQUESTED:
                order = await store.get_order_for_refund(tx, refund.order_id)
                if order is None or order.status is not OrderStatus.PAID:
                    raise OrderNotRefundable()
                by = principal.user_id
                freed.append(await approve(tx, order, refund_id, decided_by=by, note=wanted.note))
            return refund_answer(await _read(tx, refund_id))

        answer = await self._decide(
            principal, f"approve_refund {refund_id}", key=key, body=wanted, effect=effect
        )
        await sync_redis_after_refund(self._holds, freed)
        return answer

    async def reject(
        self, principal: Principal, refund_id: UUID, wanted: DecideRefund, key: str | None
    ) -> Any:
        """One that is rejected already is answered as it is. Raises NotFound, RefundAlreadyDecided."""

        async def effect(tx: Connection) -> RefundAnswer:
            refund = await self._to_decide(tx, principal, refund_id)
            if refund.state in GRANTED:
                raise RefundAlreadyDecided(refund_status=refund.state.value)
            if await store.reject_refund(
                tx, refund_id, decided_by=principal.user_id, note=wanted.note
            ):
                rejected = await _read(tx, refund_id)
                entry, event = refund_told(REFUND_REJECTED, rejected)
                await record_and_publish(tx, [entry], [event])
                log.info("refund_rejected", refund=refund_id, order=refund.order_id)
            return refund_answer(await _read(tx, refund_id))

        return await self._decide(
            principal, f"reject_refund {refund_id}", key=key, body=wanted, effect=effect
        )

    async def retry(self, principal: Principal, refund_id: UUID, key: str | None) -> Any:
        """What the provider has failed for good is asked of it anew, under a new key."""

        async def effect(tx: Connection) -> RefundAnswer:
            refund = await self._to_decide(tx, principal, refund_id)
            if not await store.retry_refund(tx, refund_id, uuid7()):
                raise RefundNotFailed(refund_status=refund.state.value)
            log.info("refund_retried", refund=refund_id, order=refund.order_id)
            return refund_answer(await _read(tx, refund_id))

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

    async def _to_decide(self, tx: Connection, principal: Principal, refund_id: UUID) -> Refund:
        """The refund, its order locked. Raises NotFound unless it is of the organizer's own show."""
        refund = await store.get_refund(tx, refund_id)
        if refund is None or not _decides(principal, refund):
            raise NotFound()
        await store.lock_any_order(tx, refund.order_id)
        return await _read(tx, refund_id)  # as whoever we waited for has left it

    async def get(self, principal: Principal, refund_id: UUID) -> RefundAnswer:
        """For its buyer and for who decides. Raises NotFound."""
        async with connection(self._pool) as db:
            refund = await store.get_refund(db, refund_id)
        if refund is None or not (
            refund.user_id == principal.user_id or _decides(principal, refund)
        ):
            raise NotFound()
        return refund_answer(refund)

    async def list(
        self, principal: Principal, state: RefundState | None, page: int, page_size: int
    ) -> RefundPage:
        """Of the organizer's own shows, an admin's of all; the oldest first."""
        async with connection(self._pool) as db:
            found, total = await store.list_refunds(
                db,
                organizer_id=principal.owner_filter,
                state=state,
                limit=page_size,
                offset=offset(page, page_size),
            )
        answers = [refund_answer(refund) for refund in found]
        return RefundPage(refunds=answers, page=page, page_size=page_size, total=total)

    async def of_order(self, user_id: UUID, order_id: UUID) -> OrderRefunds:
        """What was asked of one's own order, and what one would get back for the rest of it now."""
        terms = await self._terms_of_own(user_id, order_id)
        async with connection(self._pool) as db:
            order = await store.get_order_for_refund(db, order_id)
            every = await store.list_tickets(db, order_id)
            refunds = await store.list_refunds_of_order(db, order_id)
        if order is None:
            raise NotFound()
        return OrderRefunds(
            refunds=[refund_answer(refund) for refund in refunds], offer=_offer(order, every, terms)
        )

    async def _terms_of_own(self, user_id: UUID, order_id: UUID) -> SessionTerms:
        """Of the session that the user's own order is for. Raises NotFound."""
        async with connection(self._pool) as db:
            order = await order_store.get_order(db, order_id, user_id)
        if order is None:
            raise NotFound()
        return await self._sessions.terms(order.session_id)


def _decides(principal: Principal, refund: Refund) -> bool:
    if principal.is_admin:
        return True
    return "organizer" in principal.roles and refund.organizer_id == principal.user_id


async def _read(tx: Connection, refund_id: UUID) -> Refund:
    refund = await store.get_refund(tx, refund_id)
    if refund is None:
        raise NotFound()
    return refund
