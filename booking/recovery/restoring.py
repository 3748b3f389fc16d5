"""Restores a lost order that was paid: placed and paid again in one transaction, as every order is.

What it consisted of is known from its charge's metadata, or from the receipt that notification sent. Its
seats, its buyer's limit and its price are judged anew, by the same statements as for any order. It keeps its
id, and its tickets keep theirs where the receipt names them, so that the codes in the buyer's mail open the
door. Its number is new: the lost one may have been given to somebody else since.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from booking.composition import Booking
from booking.domain.payment import PaymentState
from booking.domain.problems import PaymentMismatch, TicketLimitReached
from booking.events.history import history_entry
from booking.events.store import record_and_publish
from booking.orders import store as order_store
from booking.orders.draft import OrderDraft, new_order
from booking.orders.placing_store import place_again
from booking.orders.records import NewOrder
from booking.orders.selection import ExactSeats
from booking.payments.outcomes import Outcome, apply_outcome, sync_redis_after_payment
from booking.payments.records import NewPayment
from booking.payments.store import insert_payment
from booking.providers.protocol import ListedCharge, Purchase
from booking.recovery import store
from booking.recovery.store import NewDecision
from booking.refusals import SeatsRefused
from booking.seats.outcomes import Held
from booking.tickets.codes import TicketCodes
from booking.tickets.issuing import TicketIssuing
from booking.tickets.records import NewTicket
from chassis.context import current
from chassis.ids import uuid7
from chassis.postgres.pool import Connection, transaction
from chassis.problems import NotFound, Problem
from contracts.booking import PAYMENT_STARTED, OrderPaid
from contracts.catalog import SessionTerms
from contracts.notification import RECEIPT_PATH
from contracts.prices import CategoryTerms

# The sale's hours were kept when the order was placed first.
ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


class NotRestorable(Exception):
    """The order cannot be restored; `reason` completes "the money goes back, since …"."""

    def __init__(self, reason: str, terms: SessionTerms | None = None) -> None:
        super().__init__(reason)
        self.reason, self.terms = reason, terms


class LostOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A lost order as it can be placed again. `tickets`: by seat, the tickets that its buyer has."""

    order: NewOrder
    purchase: Purchase
    terms: SessionTerms
    tickets: dict[int, UUID]


class KnownTickets(TicketIssuing):
    """Issues the tickets that the buyer has already, and new ones for other seats."""

    def __init__(self, codes: TicketCodes, known: dict[int, UUID]) -> None:
        super().__init__(codes)
        self._ticket_codes, self._known = codes, known

    def new_tickets(self, session_id: UUID, seats: Sequence[int]) -> list[NewTicket]:
        ids = [self._known.get(seat_id) or uuid7() for seat_id in seats]
        return [
            NewTicket(ticket_id, seat_id, self._ticket_codes.code(ticket_id, session_id))
            for ticket_id, seat_id in zip(ids, seats, strict=True)
        ]


async def find_lost(booking: Booking, charge: ListedCharge) -> LostOrder:
    """What the charge paid for, as it is sold today. Raises NotRestorable."""
    if charge.order_id is None:
        raise NotRestorable("the provider does not know for which order it was")
    if charge.refunded:
        raise NotRestorable("a part of it has gone back already")
    receipt = await booking.notification.get(
        RECEIPT_PATH.format(order_id=charge.order_id), OrderPaid
    )
    purchase = charge.purchase or _purchase_of(receipt)
    if purchase is None:
        raise NotRestorable("nothing says which seats it was for")
    terms = await _terms(booking, purchase)
    order = await _order(booking, charge, purchase, terms)
    tickets = {one.seat_id: one.ticket_id for one in receipt.tickets} if receipt else {}
    return LostOrder(order=order, purchase=purchase, terms=terms, tickets=tickets)


def _purchase_of(receipt: OrderPaid | None) -> Purchase | None:
    if receipt is None:
        return None
    return Purchase(
        order_no=receipt.order_no,
        user_id=receipt.user_id,
        session_id=receipt.session_id,
        seats=[item.seat_id for item in receipt.items],
        categories=tuple(item.category for item in receipt.items if item.category),
    )


async def _terms(booking: Booking, purchase: Purchase) -> SessionTerms:
    try:
        terms = await booking.sessions.published(purchase.session_id)
    except NotFound:
        raise NotRestorable("its session is not there any more") from None
    if terms.status == "cancelled":
        raise NotRestorable("its session is cancelled", terms)
    if terms.starts_at <= booking.clock.now():
        raise NotRestorable("its session has begun", terms)
    account = await booking.buyers.find(purchase.user_id)
    if account is None or not account.active:
        raise NotRestorable("its buyer has no account any more", terms)
    return terms


async def _order(
    booking: Booking, charge: ListedCharge, purchase: Purchase, terms: SessionTerms
) -> NewOrder:
    assert charge.order_id is not None
    seating = await booking.sessions.seating_of(terms)
    seats = sorted(set(purchase.seats))
    if not seats or seating.unknown(seats):
        raise NotRestorable("its seats are not in the plan of the session", terms)
    draft = OrderDraft(
        order_id=charge.order_id,
        user_id=purchase.user_id,
        key=None,
        body_hash=None,
        terms=msgspec.structs.replace(terms, sale_opens_at=ALWAYS[0], sale_closes_at=ALWAYS[1]),
        seating=seating,
        selection=ExactSeats(seats),
        categories=_categories(purchase, terms, len(seats)),
    )
    order = new_order(draft, Held(0, seats))
    costs = (order.price.total_amount, terms.currency)
    if costs != (charge.result.amount, charge.result.currency):  # a promo code, for example
        raise NotRestorable(
            f"its seats cost {costs[0]} {costs[1]} and it was of {charge.result.amount}"
            f" {charge.result.currency}",
            terms,
        )
    if await store.seats_in_the_way(booking.pool, terms.session_id, seats):
        raise NotRestorable("a seat of it is somebody else's by now", terms)
    return order


def _categories(purchase: Purchase, terms: SessionTerms, seats: int) -> list[CategoryTerms]:
    """Of its seats, in ascending order as they were charged. None where nothing names them."""
    known = {one.key: one for one in terms.prices.categories} if terms.prices is not None else {}
    named = [known[key] for key in purchase.categories if key in known]
    return named if len(named) == seats else []


async def restore(booking: Booking, charge: ListedCharge, lost: LostOrder) -> bool:
    """False if the charge was decided by somebody else. Raises NotRestorable, with nothing left behind."""
    decision = NewDecision(
        payment_id=charge.payment_id,
        order_id=charge.order_id,
        order_no=lost.purchase.order_no,
        user_id=lost.purchase.user_id,
        session_id=lost.purchase.session_id,
        title=lost.terms.title,
        provider=booking.provider.name,
        amount=charge.result.amount,
        currency=charge.result.currency,
        reason="restored",
        refund_key=None,
    )
    await booking.provider.adopt(charge)
    tickets = KnownTickets(booking.codes, lost.tickets)
    try:
        async with transaction(booking.pool) as tx:
            if not await store.decide_charge(tx, decision):
                return False
            await place_again(tx, lost.order)
            outcome = await pay_again(tx, tickets, booking, charge, lost.purchase.user_id)
            if outcome.state is not PaymentState.SUCCEEDED:
                raise NotRestorable("a seat of it is somebody else's by now", lost.terms)
    except SeatsRefused:
        raise NotRestorable("a seat of it is somebody else's by now", lost.terms) from None
    except TicketLimitReached:
        raise NotRestorable("its buyer has as many tickets as they may", lost.terms) from None
    except Problem as refused:
        raise NotRestorable(f"it was refused: {refused.detail or refused.title()}") from None
    seats = [item.seat_id for item in lost.order.items]
    await sync_redis_after_payment(
        booking.holds, msgspec.structs.replace(outcome, seats_to_sync=seats)
    )
    return True


async def pay_again(
    tx: Connection, tickets: TicketIssuing, booking: Booking, charge: ListedCharge, user_id: UUID
) -> Outcome:
    """Records the payment that was lost, for an order that is there, and lets its money take effect.

    Raises PaymentMismatch, and PaymentInProgress if another payment of the order counts.
    """
    assert charge.order_id is not None
    order = await order_store.lock_order(tx, charge.order_id, user_id)
    if order is None:
        raise NotFound()
    if (order.total_amount, order.currency) != (charge.result.amount, charge.result.currency):
        raise PaymentMismatch()
    payment = NewPayment(
        payment_id=charge.payment_id,
        order_id=charge.order_id,
        user_id=user_id,
        provider=booking.provider.name,
        method=charge.method,
        idempotency_key=None,
        body_hash=None,
        request_id=current().request_id,
    )
    await insert_payment(tx, payment, order)
    data = {"payment_id": charge.payment_id, "method": charge.method}
    await record_and_publish(tx, [history_entry(charge.order_id, PAYMENT_STARTED, data)], [])
    return await apply_outcome(tx, tickets, charge.payment_id, charge.result)
