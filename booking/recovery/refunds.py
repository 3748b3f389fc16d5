"""The provider's refunds against PostgreSQL: money that has gone back must not have valid tickets."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID, uuid5

from booking.composition import Booking
from booking.domain.problems import RefundAlreadyDecided, RefundNotAllowed
from booking.domain.refund import quote
from booking.domain.ticket import TicketStatus
from booking.payments.outcomes import owe_back, sync_redis_after_payment
from booking.payments.reconciliation import SEATS_GONE
from booking.providers.protocol import ListedRefund
from booking.recovery import store
from booking.recovery.findings import Finding, Kind
from booking.recovery.store import KnownRefund
from booking.refunds import store as refund_store
from booking.refunds.granting import approve, sync_redis_after_refund
from booking.refunds.store import NewRefund, OrderForRefund, RefundedAlready, TicketForRefund
from chassis.context import current
from chassis.postgres.pool import Connection, transaction
from chassis.problems import NotFound
from contracts.catalog import SessionTerms

REASON = "The provider had sent it before a failover; recorded by stampede reconcile."
UNSETTLED = {"created", "processing", "failed"}  # payments that may still sell


class ByHand(Exception):
    """Somebody must decide; the text says why."""


class RefundRecovery:
    def __init__(self, booking: Booking, *, apply: bool) -> None:
        self._booking = booking
        self._apply = apply

    async def findings(self, since: datetime, until: datetime) -> AsyncIterator[Finding]:
        async for page in self._booking.provider.list_refunds(since, until):
            sent = [refund for refund in page if refund.result.state != "failed"]
            known = await store.known_refunds(self._booking.pool, sent)
            for refund in sent:
                finding = await self._one(refund, known[refund.refund_id])
                if finding is not None:
                    yield finding

    async def _one(self, refund: ListedRefund, known: KnownRefund) -> Finding | None:
        kind = kind_of(refund, known)
        if kind is None:
            return None
        if kind is Kind.REFUND_WITHOUT_ORDER:
            return await self._without_order(refund, known)
        if known.state in {"rejected", "failed"}:
            what = (
                f"PostgreSQL has it as {known.state}, and the provider has sent it: decide by hand."
            )
            return _about(kind, refund, known, left=True, what=what)
        if not self._apply:
            return _about(kind, refund, known, left=True, what="It will be recorded.")
        await self._booking.provider.adopt(refund)
        try:
            await self._record(refund, known)
        except ByHand as why:
            return _about(kind, refund, known, left=True, what=f"{why}: decide by hand.")
        what = "It is recorded, and its tickets are void."
        if known.payment_state in UNSETTLED:
            what = "It is recorded, and nothing is sold for its payment."
        return _about(kind, refund, known, left=False, what=what)

    async def _without_order(self, refund: ListedRefund, known: KnownRefund) -> Finding | None:
        """Its charge is lost as well. Whatever of it has not gone back is the charge's own finding."""
        pool, kind = self._booking.pool, Kind.REFUND_WITHOUT_ORDER
        if await store.noted(pool, [refund.refund_id]):
            return None
        if self._apply:
            await store.note(pool, [(str(kind), refund.refund_id)])
        what = "Its order is lost, and its money has gone back: nothing is owed."
        return _about(kind, refund, known, left=True, what=what)

    async def _record(self, refund: ListedRefund, known: KnownRefund) -> None:
        if known.payment_state in UNSETTLED:
            await self._owe(refund, known)
            return
        assert known.order_id is not None
        assert known.session_id is not None
        try:
            terms = await self._booking.sessions.terms(known.session_id)
            async with transaction(self._booking.pool) as tx:
                await refund_store.lock_any_order(tx, known.order_id)
                order = await refund_store.get_order_for_refund(tx, known.order_id)
                if order is None or order.payment_id is None:
                    raise ByHand("Its order is not paid")
                refund_id = known.refund_id
                if refund_id is None:
                    refund_id = await _insert(tx, refund, order, terms)
                freed = await approve(tx, order, refund_id, decided_by=None)
        except NotFound:
            raise ByHand("Its session is not there") from None
        except (RefundAlreadyDecided, RefundedAlready):
            raise ByHand("It was decided otherwise meanwhile") from None
        except RefundNotAllowed:
            raise ByHand("A ticket of it was used or passed on") from None
        await sync_redis_after_refund(self._booking.holds, [freed])

    async def _owe(self, refund: ListedRefund, known: KnownRefund) -> None:
        """The automatic refund of money that bought nothing: the worker finds it sent, and says so."""
        if refund.refund_id != uuid5(refund.payment_id, SEATS_GONE):
            raise ByHand(f"Its payment is {known.payment_state}")
        async with transaction(self._booking.pool) as tx:
            outcome = await owe_back(tx, refund.payment_id, SEATS_GONE)
        if outcome is None:
            raise ByHand("Its payment was settled meanwhile")
        await sync_redis_after_payment(self._booking.holds, outcome)


async def _insert(
    tx: Connection, refund: ListedRefund, order: OrderForRefund, terms: SessionTerms
) -> UUID:
    """The refund as it was asked for, of all that is left of the order. Raises ByHand if it was of a part:
    nothing says of which."""
    assert order.payment_id is not None
    tickets = _left(await refund_store.list_tickets(tx, order.order_id), order.user_id)
    prices = [ticket.price for ticket in tickets]
    policy = terms.refund_policy
    by_terms = quote([(one.price, one.kept) for one in tickets], policy.fee_kind, policy.fee)
    amounts = {sum(prices), by_terms.amount}
    if not tickets or refund.amount not in amounts or refund.currency != order.currency:
        raise ByHand("Nothing says for which of the tickets it was")
    new = NewRefund(
        refund_id=refund.refund_id,
        order_id=order.order_id,
        payment_id=order.payment_id,
        user_id=order.user_id,
        session_id=order.session_id,
        organizer_id=terms.organizer_id,
        cause="buyer",
        reason=REASON,
        price=sum(prices),
        fee=sum(prices) - refund.amount,
        amount=refund.amount,
        currency=refund.currency,
        request_id=current().request_id,
    )
    await refund_store.insert_refund(tx, new, tickets)
    return refund.refund_id


def kind_of(refund: ListedRefund, known: KnownRefund) -> Kind | None:
    """What is the matter with a refund that the provider sends or has sent; None if nothing is. Pure."""
    if known.recovered:
        return None
    if known.state is not None:
        behind = known.state in {"requested", "rejected"} or (
            known.state == "failed" and refund.result.state == "succeeded"
        )
        return Kind.REFUND_BEHIND if behind else None
    if known.payment_state is None:
        return Kind.REFUND_WITHOUT_ORDER
    automatic = refund.refund_id == uuid5(refund.payment_id, SEATS_GONE)
    if automatic and known.payment_state in {"refund_due", "refunded"}:
        return None
    return Kind.REFUND_BEHIND if automatic else Kind.REFUND_UNKNOWN


def _left(tickets: list[TicketForRefund], buyer: UUID) -> list[TicketForRefund]:
    """Raises ByHand when one of them was used or is somebody else's: its money has gone back all the same."""
    left = [ticket for ticket in tickets if ticket.status is not TicketStatus.VOID]
    left = [ticket for ticket in left if ticket.refund_id is None]
    if any(t.status is TicketStatus.CHECKED_IN or t.user_id != buyer for t in left):
        raise ByHand("A ticket of it was used or passed on")
    return sorted(left, key=lambda ticket: ticket.seat_id)


def _about(
    kind: Kind, refund: ListedRefund, known: KnownRefund, *, left: bool, what: str
) -> Finding:
    return Finding(
        kind=kind,
        left=left,
        what=what,
        refund_id=refund.refund_id,
        payment_id=refund.payment_id,
        amount=refund.amount,
        currency=refund.currency,
        at=refund.created_at,
        order_id=known.order_id,
        order_no=known.order_no,
        user_id=known.user_id,
        session_id=known.session_id,
        title=known.title,
        starts_at=known.starts_at,
    )
