"""Sends back the money of a charge that has no order and cannot have one (docs/adr/0046).

    decided (the key is stored) ─▶ provider ─▶ marked, and the buyer is told

Whoever dies between leaves a row without an end. The next run asks the provider about its key before it uses
that key again, so nothing goes back twice.
"""

from uuid import UUID, uuid5

from booking.composition import Booking
from booking.events.store import record_and_publish
from booking.providers.protocol import ListedCharge, RefundResult
from booking.recovery import store
from booking.recovery.findings import KnownCharge
from booking.recovery.store import NewDecision, Return
from chassis.events.envelope import pending
from chassis.observability import logs
from chassis.postgres.pool import connection, transaction
from chassis.problems import Unavailable
from contracts.booking import PAYMENT_REFUNDED, PaymentRefunded
from contracts.catalog import SessionTerms

log = logs.get("booking")

ORDER_LOST = "order_lost"  # reasons of the event, and so of the mail
PAID_ALREADY = "paid_already"
KEY = "order_lost"  # names the refund of a charge; stays, since providers know refunds by it


async def decide_return(
    booking: Booking,
    charge: ListedCharge,
    known: KnownCharge,
    terms: SessionTerms | None,
    *,
    reason: str,
) -> bool:
    """Stores that the rest of the charge goes back, and under which key. False if it was decided before."""
    bought = charge.purchase
    decision = NewDecision(
        payment_id=charge.payment_id,
        order_id=charge.order_id,
        order_no=known.order_no or (bought.order_no if bought else None),
        user_id=known.user_id or (bought.user_id if bought else None),
        session_id=known.session_id or (bought.session_id if bought else None),
        title=known.title or (terms.title if terms else None),
        provider=booking.provider.name,
        amount=charge.result.amount - charge.refunded,
        currency=charge.result.currency,
        reason=reason,
        refund_key=uuid5(charge.payment_id, KEY),
    )
    async with transaction(booking.pool) as tx:
        return await store.decide_charge(tx, decision)


async def send_back(booking: Booking, charge: ListedCharge) -> tuple[bool, str]:
    """Whether the money has gone back, and what became of it in a few words."""
    async with connection(booking.pool) as db:
        owed = await store.get_return(db, charge.payment_id)
    if owed is None:
        return False, "it was decided otherwise meanwhile, run this again"
    await booking.provider.adopt(charge)
    if owed.failure is not None:
        owed = await _with_new_key(booking, owed)
        if owed is None:
            return False, "another run is sending it"
    try:
        result = await _ask(booking, owed)
    except Unavailable:
        return False, "the provider does not answer, run this again"
    if result.state == "pending":
        return False, "it is on its way, run this again to see it arrive"
    if result.state == "failed":
        failure = result.reason or "failed"
        async with connection(booking.pool) as db:
            await store.mark_refused(db, owed, failure)
        return False, f"the provider refuses ({failure}), run this again to try anew"
    await _settle(booking, owed)
    return True, "refunded"


async def _with_new_key(booking: Booking, owed: Return) -> Return | None:
    new_key: UUID = uuid5(owed.payment_id, f"{KEY} {owed.attempts + 1}")
    async with connection(booking.pool) as db:
        if not await store.renew_refund_key(db, owed, new_key):
            return None
        return await store.get_return(db, owed.payment_id)


async def _ask(booking: Booking, owed: Return) -> RefundResult:
    known = await booking.provider.look_up_refund(owed.refund_key)
    if known is not None:
        return known
    return await booking.provider.refund(
        refund_id=owed.refund_key,
        payment_id=owed.payment_id,
        amount=owed.amount,
        currency=owed.currency,
    )


async def _settle(booking: Booking, owed: Return) -> None:
    """The end, and the news to the buyer where they are known: with whoever marks it, so once."""
    async with transaction(booking.pool) as tx:
        if not await store.mark_returned(tx, owed):
            return
        if owed.order_id and owed.user_id and owed.session_id and owed.title:
            told = PaymentRefunded(
                order_id=owed.order_id,
                order_no=owed.order_no or "",
                user_id=owed.user_id,
                session_id=owed.session_id,
                title=owed.title,
                payment_id=owed.payment_id,
                amount=owed.amount,
                currency=owed.currency,
                reason=owed.reason,
            )
            event = pending(PAYMENT_REFUNDED, str(owed.order_id), told)
            await record_and_publish(tx, [], [event])
    log.warning("charge_returned", payment=owed.payment_id, order=owed.order_id)
