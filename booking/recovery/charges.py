"""The provider's charges against PostgreSQL: money that was taken buys its order, or goes back.

A payment is committed before its charge is made. So a charge that PostgreSQL does not know is a loss, not a
payment under way; and a page of charges is read before what PostgreSQL knows of them.
"""

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from booking.composition import Booking
from booking.domain.payment import PaymentState
from booking.domain.problems import PaymentInProgress, PaymentMismatch
from booking.payments.batched_outcomes import BatchedOutcomes
from booking.payments.outcomes import Outcome, sync_redis_after_payment
from booking.providers.protocol import ListedCharge
from booking.recovery import store
from booking.recovery.findings import Finding, Kind, KnownCharge, about, kind_of
from booking.recovery.restoring import LostOrder, NotRestorable, find_lost, pay_again, restore
from booking.recovery.returning import ORDER_LOST, PAID_ALREADY, decide_return, send_back
from chassis.observability import logs
from chassis.postgres.pool import transaction
from chassis.problems import NotFound
from contracts.catalog import SessionTerms

log = logs.get("booking")


class ChargeRecovery:
    """`apply`: act on what is found. Without it nothing is written anywhere."""

    def __init__(self, booking: Booking, *, apply: bool) -> None:
        self._booking = booking
        self._apply = apply
        self._outcomes = BatchedOutcomes(booking.pool, tickets=booking.issuing, holds=booking.holds)

    async def findings(self, since: datetime, until: datetime) -> AsyncIterator[Finding]:
        async for page in self._booking.provider.list_charges(since, until):
            known = await store.known_charges(self._booking.pool, page)
            for charge in page:
                kind = kind_of(charge, known[charge.payment_id])
                if kind is not None:
                    yield await self._found(kind, charge, known[charge.payment_id])

    async def _found(self, kind: Kind, charge: ListedCharge, known: KnownCharge) -> Finding:
        match kind:
            case Kind.CHARGE_WITHOUT_ORDER:
                return await self._without_order(charge, known)
            case Kind.CHARGE_WITHOUT_PAYMENT:
                return await self._without_payment(charge, known)
            case Kind.PAYMENT_BEHIND:
                return await self._behind(charge, known)
            case Kind.REFUND_UNSENT:
                return await self._unsent(charge, known)
            case Kind.CHARGE_PENDING:
                what = "The provider has not decided yet, and its result will meet no payment: run this again"
                return about(kind, charge, known, left=True, what=f"{what} later.")
        what = f"PostgreSQL has {known.paid_amount} {known.paid_currency} for it: compare them by hand."
        return about(kind, charge, known, left=True, what=what)

    async def _without_order(self, charge: ListedCharge, known: KnownCharge) -> Finding:
        kind, booking = Kind.CHARGE_WITHOUT_ORDER, self._booking
        try:
            lost = await find_lost(booking, charge)
            charge, known = _as_lost(charge, known, lost)
            if not self._apply:
                return about(kind, charge, known, left=True, what="Its order will be restored.")
            if not await restore(booking, charge, lost):
                what = "It was decided otherwise meanwhile: run this again."
                return about(kind, charge, known, left=True, what=what)
            log.warning("order_restored", order=charge.order_id, payment=charge.payment_id)
            return about(kind, charge, known, left=False, what="Its order is restored.")
        except NotRestorable as no:
            known = _of_session(known, no.terms)
            if not self._apply:
                what = f"It will be refunded, since {no.reason}."
                return about(kind, charge, known, left=True, what=what)
            return await self._give_back(kind, charge, known, no.reason, terms=no.terms)

    async def _without_payment(self, charge: ListedCharge, known: KnownCharge) -> Finding:
        kind, booking = Kind.CHARGE_WITHOUT_PAYMENT, self._booking
        charge = msgspec.structs.replace(charge, order_id=known.order_id)
        if not self._apply:
            what = "The payment will be recorded: it buys its order, or goes back."
            return about(kind, charge, known, left=True, what=what)
        assert known.user_id is not None
        await booking.provider.adopt(charge)
        try:
            async with transaction(booking.pool) as tx:
                outcome = await pay_again(tx, booking.issuing, booking, charge, known.user_id)
        except PaymentInProgress:
            return await self._give_back(
                kind, charge, known, "its order is paid another way", reason=PAID_ALREADY
            )
        except PaymentMismatch:
            return await self._give_back(kind, charge, known, "its order costs another amount")
        await sync_redis_after_payment(booking.holds, outcome)
        return about(kind, charge, known, left=False, what=_came_of(outcome))

    async def _behind(self, charge: ListedCharge, known: KnownCharge) -> Finding:
        kind = Kind.PAYMENT_BEHIND
        if not self._apply:
            what = f"PostgreSQL has it as {known.state}: it will buy its order, or go back."
            return about(kind, charge, known, left=True, what=what)
        await self._booking.provider.adopt(charge)
        try:
            outcome = await self._outcomes.apply_outcome(charge.payment_id, charge.result)
        except PaymentMismatch:
            what = "PostgreSQL has another amount for it: compare them by hand."
            return about(Kind.CHARGE_MISMATCH, charge, known, left=True, what=what)
        except NotFound:
            what = "Its payment is there without its order: restore a backup beside it and compare."
            return about(kind, charge, known, left=True, what=what)
        assert outcome is not None, "only provider events are taken once"
        return about(kind, charge, known, left=False, what=_came_of(outcome))

    async def _unsent(self, charge: ListedCharge, known: KnownCharge) -> Finding:
        kind = Kind.REFUND_UNSENT
        if not self._apply:
            what = "An earlier run decided to refund it, and did not come to its end."
            return about(kind, charge, known, left=True, what=what)
        back, what = await send_back(self._booking, charge)
        return about(kind, charge, known, left=not back, what=f"{what.capitalize()}.")

    async def _give_back(
        self,
        kind: Kind,
        charge: ListedCharge,
        known: KnownCharge,
        why: str,
        *,
        terms: SessionTerms | None = None,
        reason: str = ORDER_LOST,
    ) -> Finding:
        """why: completes "since …".  reason: what the buyer's mail says."""
        await decide_return(self._booking, charge, known, terms, reason=reason)
        back, became = await send_back(self._booking, charge)
        what = f"Since {why}, its money goes back: {became}."
        return about(kind, charge, known, left=not back, what=what)


def _as_lost(
    charge: ListedCharge, known: KnownCharge, lost: LostOrder
) -> tuple[ListedCharge, KnownCharge]:
    return msgspec.structs.replace(charge, purchase=lost.purchase), _of_session(known, lost.terms)


def _of_session(known: KnownCharge, terms: SessionTerms | None) -> KnownCharge:
    if terms is None:
        return known
    return msgspec.structs.replace(
        known, session_id=terms.session_id, title=terms.title, starts_at=terms.starts_at
    )


def _came_of(outcome: Outcome) -> str:
    match outcome.state:
        case PaymentState.SUCCEEDED:
            return "It has bought its order."
        case PaymentState.REFUND_DUE | PaymentState.REFUNDED:
            return "It can buy its order no more: the worker sends it back."
    return f"It is {outcome.state} now."
