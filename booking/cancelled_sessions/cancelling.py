"""Cancels a session: closes it at once, then refunds all paid orders in batches.

One transaction records the cancellation, cancels the unpaid orders and blocks every seat that is not sold.
After its commit:
- a process that does not know yet cannot sell: the primary key of seat_claims refuses its claims,
- a payment still in progress finds its order cancelled and is refunded (payments/outcomes.py),
- a seat that becomes free is blocked by the trigger of 0004_refunds.sql.

So the remaining work can only shrink, and it needs no record of its own: every claim of a sold seat is an
order to refund. A worker may be killed at any point; the next one continues with the remaining claims.
"""

from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from booking.cancelled_sessions import store
from booking.cancelled_sessions.store import OpenCancellation
from booking.cancelled_sessions.wire import CancellationProgress, CancelSession, progress_answer
from booking.clients.catalog import Sessions
from booking.domain.order import OrderStatus
from booking.domain.problems import SessionNotPublished, SessionOver
from booking.domain.seating import Seating
from booking.domain.ticket import TicketStatus, TicketStep
from booking.events.store import record_and_publish
from booking.orders.cancelling import cancel_and_tell, release_holds
from booking.orders.records import CancelledOrder
from booking.refunds import store as refund_store
from booking.refunds.granting import (
    FreedSeats,
    approve,
    ask,
    sync_redis_after_refund,
)
from booking.refunds.rules import FREE_OF_CHARGE
from booking.seats.holds import SeatHolds
from chassis.auth.tokens import Principal
from chassis.clock import whole_second
from chassis.context import CURRENT, RequestContext, current
from chassis.events.envelope import pending
from chassis.http.idempotency import Effect, once
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection, transaction
from chassis.problems import NotFound, Overloaded, Problem
from chassis.seam.client import ServiceClient, UpstreamRefused
from contracts.booking import SESSION_CANCELLED, SessionCancelled
from contracts.catalog import CANCEL_PATH, SessionTerms

log = logs.get("booking")

CANCELLABLE_DAYS_AFTER_START = 6  # orders complete a day later; the worker has finished by then
ORDERS_A_BATCH = 50
SESSIONS_A_ROUND = 10
DEADLOCKS_MAX = 3  # tries: payments and this transaction lock several orders and may cross
SPAN = "2"
NOBODY = UUID(int=0)  # smaller than every order's id


class SessionCancelling:
    def __init__(
        self, pool: Pool, *, sessions: Sessions, holds: SeatHolds, catalog: ServiceClient
    ) -> None:
        self._pool = pool
        self._sessions = sessions
        self._holds = holds
        self._catalog = catalog
        self._reached: dict[UUID, UUID] = {}  # session → last order of its previous batch

    async def cancel(
        self, principal: Principal, session_id: UUID, wanted: CancelSession, key: str | None
    ) -> Any:
        """202 with the progress, by chassis.http.idempotency; also if the session was cancelled before.

        Raises NotFound, SessionNotPublished, SessionOver.
        """
        terms = await self._allowed(principal, session_id)
        seating = await self._sessions.seating(session_id)
        ended: list[CancelledOrder] = []
        begun: list[UUID] = []

        async def effect(tx: Connection) -> CancellationProgress:
            ended.clear()
            begun.clear()
            if await self._begin(tx, principal, terms, wanted.reason):
                begun.append(session_id)
                ended.extend(await self._close(tx, terms, seating, wanted.reason))
            return await _progress(tx, session_id)

        answer = await self._once(principal, session_id, wanted, key, effect)
        if begun:
            log.warning("session_cancelled", session=session_id, unpaid_orders=len(ended))
            await self._tell_redis(session_id)
            await self._tell_catalog(session_id)
        return answer

    async def _once(
        self,
        principal: Principal,
        session_id: UUID,
        wanted: CancelSession,
        key: str | None,
        effect: Effect,
    ) -> Any:
        for _ in range(DEADLOCKS_MAX):
            try:
                return await once(
                    self._pool,
                    user_id=principal.user_id,
                    route=f"cancel_session {session_id}",
                    key=key,
                    body=wanted,
                    status=202,
                    effect=effect,
                )
            except store.LocksCrossed:
                log.warning("session_cancelling_repeated", session=session_id)
        raise Overloaded("Too many payments of this session are in progress; try again.")

    async def _allowed(self, principal: Principal, session_id: UUID) -> SessionTerms:
        terms = await self._sessions.of_organizer(principal, session_id)
        if terms.status == "draft":
            raise SessionNotPublished()
        return terms

    async def _begin(
        self, tx: Connection, principal: Principal, terms: SessionTerms, reason: str
    ) -> bool:
        after = timedelta(days=CANCELLABLE_DAYS_AFTER_START)
        if await store.is_session_over(tx, terms.starts_at, after):
            raise SessionOver()
        return await store.begin_cancellation(
            tx,
            session_id=terms.session_id,
            organizer_id=terms.organizer_id,
            requested_by=principal.user_id,
            reason=reason,
            request_id=current().request_id,
        )

    async def _close(
        self, tx: Connection, terms: SessionTerms, seating: Seating, reason: str
    ) -> list[CancelledOrder]:
        """Cancels unpaid orders and blocks seats that are not sold.

        Locks orders before claims, as payments do. Closing the seats waits for the claims of orders that
        are being placed; these orders exist afterwards, so unpaid orders are cancelled a second time.
        """
        ended = await self._end_unpaid(tx, terms.session_id, reason)
        await store.close_seats(tx, terms.session_id, seating.seat_ids())
        ended += await self._end_unpaid(tx, terms.session_id, reason)
        told = SessionCancelled(
            session_id=terms.session_id,
            organizer_id=terms.organizer_id,
            title=terms.title,
            venue=terms.venue,
            starts_at=whole_second(terms.starts_at),
            time_zone=terms.time_zone,
            reason=reason,
        )
        await record_and_publish(tx, [], [pending(SESSION_CANCELLED, str(terms.session_id), told)])
        return ended

    async def _end_unpaid(
        self, tx: Connection, session_id: UUID, reason: str
    ) -> list[CancelledOrder]:
        orders = await store.lock_pending_orders(tx, session_id)
        return await cancel_and_tell(tx, orders, "session_cancelled", reason) if orders else []

    async def progress(self, principal: Principal, session_id: UUID) -> CancellationProgress:
        """Raises NotFound also if the session is not cancelled."""
        async with connection(self._pool) as db:
            found = await store.get_progress(db, session_id)
        if found is None or not principal.may_manage(found.organizer_id):
            raise NotFound()
        return progress_answer(found)

    async def work_off(self, *, orders_max: int = ORDERS_A_BATCH) -> int:
        """Refunds one batch of every unfinished cancelled session. Returns the number of refunded orders."""
        async with connection(self._pool) as db:
            unfinished = await store.open_cancellations(db, limit=SESSIONS_A_ROUND)
        return sum([await self._work_off_one(session, orders_max) for session in unfinished])

    async def _work_off_one(self, session: OpenCancellation, orders_max: int) -> int:
        token = CURRENT.set(RequestContext(session.request_id, SPAN))
        try:
            if session.catalog_told is None:
                await self._tell_catalog(session.session_id)
            async with transaction(self._pool) as tx:  # normally none; a safeguard
                ended = await self._end_unpaid(tx, session.session_id, session.reason)
            await release_holds(self._holds, ended)
            return await self._refund_batch(session, orders_max)
        finally:
            CURRENT.reset(token)

    async def _refund_batch(self, session: OpenCancellation, orders_max: int) -> int:
        """Starts after the last batch, so that an order that keeps failing does not block the others."""
        session_id = session.session_id
        async with connection(self._pool) as db:
            orders = await store.orders_to_refund(
                db, session_id, after=self._reached.get(session_id, NOBODY), limit=orders_max
            )
        refunded = sum([await self._try(session, order_id) for order_id in orders])
        if orders:
            self._reached[session_id] = orders[-1]
            return refunded
        self._reached.pop(session_id, None)
        async with transaction(self._pool) as tx:
            finished = await store.finish_cancellation(tx, session_id)
        if finished:  # a refund concurrent with the closing may have freed its seats in Redis
            await self._tell_redis(session_id)
            log.info("session_worked_off", session=session_id)
        return 0

    async def _try(self, session: OpenCancellation, order_id: UUID) -> bool:
        try:
            async with transaction(self._pool) as tx:
                freed = await refund_whole(tx, session, order_id)
        except Exception as failure:
            log.error("order_not_refunded", order=order_id, reason=repr(failure))
            return False
        await sync_redis_after_refund(self._holds, freed)
        return bool(freed)

    async def _tell_redis(self, session_id: UUID) -> None:
        try:
            await self._holds.rebuild(session_id)
        except Problem as away:  # PostgreSQL refuses meanwhile; the reconciler corrects Redis
            log.warning("closing_postponed", session=session_id, reason=away.code)

    async def _tell_catalog(self, session_id: UUID) -> None:
        """Idempotent. Does not fail if catalog is unavailable: the worker repeats the call."""
        try:
            await self._catalog.request("POST", CANCEL_PATH.format(session_id=session_id))
        except (Problem, UpstreamRefused) as away:
            log.warning("catalog_not_told", session=session_id, reason=repr(away))
            return
        async with connection(self._pool) as db:
            await store.mark_catalog_told(db, session_id)


async def refund_whole(
    tx: Connection, session: OpenCancellation, order_id: UUID
) -> list[FreedSeats]:
    """Refunds the rest of a paid order without a fee, in the caller's transaction.

    Refunds of the order that wait for the organizer are approved too, and their fees waived.
    """
    await refund_store.lock_any_order(tx, order_id)
    order = await refund_store.get_order_for_refund(tx, order_id)
    if order is None or order.status is not OrderStatus.PAID:
        return []
    tickets = await refund_store.list_tickets(tx, order_id)
    left = [ticket for ticket in tickets if ticket.status is not TicketStatus.VOID]
    waiting = sorted({ticket.refund_id for ticket in left if ticket.refund_id is not None})
    for refund_id in waiting:
        await refund_store.waive_fee(tx, refund_id, session.reason)
    rest = [ticket for ticket in left if ticket.refund_id is None]
    if rest:
        cause: Literal["session_cancelled"] = "session_cancelled"
        refund = await ask(
            tx,
            order,
            rest,
            organizer_id=session.organizer_id,
            cause=cause,
            reason=session.reason,
            policy=FREE_OF_CHARGE,
        )
        waiting.append(refund.refund_id)
    return [
        await approve(tx, order, one_id, decided_by=None, step=TicketStep.CALL_OFF)
        for one_id in waiting
    ]


async def _progress(tx: Connection, session_id: UUID) -> CancellationProgress:
    found = await store.get_progress(tx, session_id)
    if found is None:
        raise NotFound()
    return progress_answer(found)
