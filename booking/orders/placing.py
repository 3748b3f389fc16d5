"""Placing orders: hold in Redis, decide in PostgreSQL, answer 201 only for what is committed.

    parsed → terms → sale window, paused? → selection → known to be sold out? → promo code → hold, with others
           → buyer → price and draft → one coalesced statement → answer

A promo code is found before the hold, so that guessing them holds no seats (booking.promo_codes.guessing).
An order with one is committed by itself, together with the use of its code (docs/adr/0020).

What PostgreSQL refuses gives its hold back. What nobody can know the outcome of (the database went
away in the middle) keeps it: the sweeper asks PostgreSQL within HOLD_INTENT_MS and puts things right.
"""

from collections.abc import Sequence
from uuid import UUID

from booking.clients.catalog import Sessions, refuse_outside_sale
from booking.clients.identity import KnownAccounts
from booking.domain.problems import (
    CoolingDown,
    SalePaused,
    SeatsTaken,
    SingleSeatLeft,
    SoldOut,
    TicketLimitReached,
)
from booking.operations.controls import SaleControls
from booking.orders import store
from booking.orders.cooldown import CoolingMemory
from booking.orders.draft import OrderDraft, as_placed, new_order
from booking.orders.metrics import count_refusal
from booking.orders.placing_store import place_orders, place_with_promo_code, true_claims
from booking.orders.records import NewOrder, PlacedOrder
from booking.orders.selection import (
    BestSeats,
    ExactSeats,
    Selection,
    in_categories,
    selection_of,
)
from booking.orders.wire import CreateOrder, OrderAnswer, order_answer
from booking.promo_codes.guessing import PromoGuesses
from booking.refusals import KeyTaken, SeatsRefused
from booking.seats.holds import SeatHolds
from booking.seats.metrics import HOLDS, HOLDS_UNAVAILABLE
from booking.seats.outcomes import Held, LeftAlone, LimitReached, NoAccessible, Repeated, Taken
from booking.seats.outcomes import SoldOut as NoneLeft
from chassis.clock import Clock
from chassis.concurrency.coalescer import Coalescer
from chassis.http.idempotency import body_hash
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection
from chassis.postgres.replicated import until_replicated
from chassis.problems import (
    Forbidden,
    IdempotencyInFlight,
    IdempotencyKeyReused,
    Overloaded,
    Problem,
    Unauthenticated,
    Unavailable,
)

log = logs.get("booking")

BATCH_MAX = 64  # orders a statement; DESIGN measured no more gain beyond 50
WAITING_MAX = 5_000  # orders waiting for one: two seconds' worth at the rated load
STATEMENT_CONCURRENCY = 1  # a statement costs as much as 5 orders in it do: fewer, larger ones
KEYS_MAX = 200  # keys of refused orders asked about in one query
ATTEMPTS_MAX = 3  # holds tried when PostgreSQL knows more of the seats than Redis does


class OrderPlacing:
    """`await place(user_id, wanted, key)` → (answer, whether it is a replay)."""

    def __init__(
        self,
        pool: Pool,
        *,
        holds: SeatHolds,
        sessions: Sessions,
        buyers: KnownAccounts,
        clock: Clock,
        hold_ttl_s: int,
        guesses: PromoGuesses,
        cooling: CoolingMemory,
        controls: SaleControls,
    ) -> None:
        self._pool = pool
        self._holds = holds
        self._sessions = sessions
        self._buyers = buyers
        self._clock = clock
        self._hold_ttl_s = hold_ttl_s
        self._guesses = guesses
        self._cooling = cooling
        self._controls = controls
        self._keys: Coalescer[tuple[UUID, str], bool] = Coalescer(
            self._find_keys,
            batch_max=KEYS_MAX,
            queue_max=WAITING_MAX,
            name="booking_keys",
        )
        self._commits: Coalescer[NewOrder, PlacedOrder] = Coalescer(
            self._commit_batch,
            name="booking_orders",
            batch_max=BATCH_MAX,
            queue_max=WAITING_MAX,
            concurrency=STATEMENT_CONCURRENCY,
        )

    async def place(
        self, user_id: UUID, wanted: CreateOrder, key: str | None, *, address: str | None = None
    ) -> tuple[OrderAnswer, bool]:
        """Raises the problems of the route. A refusal of a key that has an order replays that.

        wanted: as wire.parse_order has read it.
        address: what the client is counted by beside the user, where they name a promo code.
        """
        try:
            draft = await self._draft(user_id, wanted, key, address)
            return await self._hold_and_commit(draft), False
        except (Problem, KeyTaken) as refused:
            if key is None or isinstance(refused, Overloaded | Unauthenticated | Forbidden):
                count_refusal(refused)
                raise
            try:
                return await self._replay(user_id, wanted, key, refused), True
            except Problem as after_all:
                count_refusal(after_all)
                raise

    async def _draft(
        self,
        user_id: UUID,
        wanted: CreateOrder,
        key: str | None,
        address: str | None,
    ) -> OrderDraft:
        """Refuses what needs no hold to be refused."""
        terms = await self._sessions.published(wanted.session_id)
        refuse_outside_sale(terms, self._clock)
        self._controls.refuse_paused(wanted.session_id)
        self._cooling.refuse(wanted.session_id, user_id)
        seating = await self._sessions.seating_of(terms)
        selection = selection_of(wanted, terms, seating)
        selection, categories = in_categories(wanted, terms, selection)
        self._refuse_sold_out(wanted.session_id, selection)
        promo = None
        if wanted.promo_code:
            promo = await self._guesses.find(
                terms.show_id, wanted.promo_code, user_id=user_id, address=address
            )
        await self._controls.take_turn(wanted.session_id)
        return OrderDraft(
            order_id=uuid7(),
            user_id=user_id,
            key=key,
            body_hash=body_hash(wanted) if key is not None else None,
            terms=terms,
            seating=seating,
            selection=selection,
            promo=promo,
            categories=categories,
        )

    def _refuse_sold_out(self, session_id: UUID, selection: Selection) -> None:
        """Where this process knows it, before anything is made for the order."""
        if isinstance(selection, BestSeats) and self._holds.is_sold_out(
            session_id, selection.wanted
        ):
            HOLDS[NoneLeft].inc()
            raise SoldOut()

    async def _hold_and_commit(self, draft: OrderDraft) -> OrderAnswer:
        for _ in range(ATTEMPTS_MAX):
            held = await self._hold(draft)
            seats = sorted(held.seats)
            try:
                await self._buyers.require(draft.user_id)  # of those who got seats, not of all
                order = new_order(draft, held)
                placed = await self._commit(order)
            except SeatsRefused:
                taken = await self._correct_redis(draft, seats)
                if isinstance(draft.selection, ExactSeats):
                    raise SeatsTaken(taken or seats) from None
                continue
            except (Problem, KeyTaken) as refused:
                if isinstance(refused, CoolingDown):
                    self._cooling.remember(draft.terms.session_id, draft.user_id)
                if isinstance(refused, SalePaused):
                    self._controls.remember_paused(draft.terms.session_id)
                if not isinstance(refused, Unavailable):  # then it may have been committed
                    await self._release(draft)
                raise
            log.info(
                "order_created", user=draft.user_id, session=draft.terms.session_id,
                seats=len(seats), order=draft.order_id, order_no=placed.order_no,
            )  # fmt: skip
            return order_answer(as_placed(order, placed))
        raise Overloaded("The seats of this session are being sorted out.")

    async def _hold(self, draft: OrderDraft) -> Held:
        """The seats that Redis lets the order have."""
        try:
            outcome = await self._ask_redis(draft)
        except Overloaded:
            HOLDS_UNAVAILABLE.inc()
            raise
        HOLDS[type(outcome)].inc()
        match outcome:
            case Held():
                return outcome
            case Taken(seats=seats):
                raise SeatsTaken(seats)
            case NoneLeft():
                raise SoldOut()
            case NoAccessible():
                raise SoldOut("Too few accessible seats are left for this order.", accessible=True)
            case LeftAlone(seats=seats):
                raise SingleSeatLeft(seats)
            case LimitReached(tickets=tickets):
                raise TicketLimitReached(f"You have {tickets} for this session already.")
            case Repeated():
                raise IdempotencyInFlight()

    async def _ask_redis(
        self, draft: OrderDraft
    ) -> Held | Taken | LeftAlone | NoneLeft | NoAccessible | LimitReached | Repeated:
        terms, selection = draft.terms, draft.selection
        tickets_max = self._controls.cap(terms)
        if isinstance(selection, ExactSeats):
            return await self._holds.hold_exact(
                terms.session_id,
                order_id=draft.order_id,
                user_id=draft.user_id,
                tickets_max=tickets_max,
                seats=selection.seats,
                idempotency_key=draft.key,
                leave_none_alone=selection.leave_none_alone,
            )
        return await self._holds.hold_best(
            terms.session_id,
            order_id=draft.order_id,
            user_id=draft.user_id,
            tickets_max=tickets_max,
            wanted=selection.wanted,
            idempotency_key=draft.key,
        )

    async def _commit(self, order: NewOrder) -> PlacedOrder:
        redemption = order.price.redemption
        if redemption is None:
            return await self._commits.call(order)
        return await place_with_promo_code(self._pool, order, redemption, self._hold_ttl_s)

    async def _commit_batch(self, orders: Sequence[NewOrder]) -> list[PlacedOrder | BaseException]:
        return await place_orders(self._pool, orders, self._hold_ttl_s)

    async def _correct_redis(self, draft: OrderDraft, seats: Sequence[int]) -> list[int]:
        """Writes PostgreSQL's claims to Redis, releases this order's hold; the seats that are claimed."""
        session_id = draft.terms.session_id
        claims = await true_claims(self._pool, session_id, seats)
        log.warning("seats_refused", session=session_id, order=draft.order_id, seats=len(claims))
        await self._holds.correct(session_id, claims)
        await self._release(draft)
        return [claim.seat_id for claim in claims]

    async def _release(self, draft: OrderDraft) -> None:
        try:
            await self._holds.release(draft.terms.session_id, draft.order_id)
        except Problem:  # Redis is away; the intent ends by itself
            return
        log.info("hold_released", order=draft.order_id, session=draft.terms.session_id)

    async def _find_keys(self, asked: Sequence[tuple[UUID, str]]) -> list[bool]:
        async with connection(self._pool) as db:
            found = await store.keys_with_orders(db, asked)
        return [pair in found for pair in asked]

    async def _replay(
        self, user_id: UUID, wanted: CreateOrder, key: str, refused: Exception
    ) -> OrderAnswer:
        """The answer that the key's first request got; `refused` again when there was no such one."""
        if not await self._may_have_order(user_id, wanted.session_id, key, refused):
            raise refused
        async with connection(self._pool) as db:
            order = await store.get_order_by_key(db, user_id, key)
            if order is not None:
                await until_replicated(db)
        if order is None:
            raise IdempotencyInFlight() if isinstance(refused, KeyTaken) else refused
        if order.body_hash != body_hash(wanted):
            raise IdempotencyKeyReused()
        return order_answer(order, as_created=True)

    async def _may_have_order(
        self, user_id: UUID, session_id: UUID, key: str, refused: Exception
    ) -> bool:
        """Nearly every refusal of an on-sale is of somebody who never ordered, with a new key. When all is
        sold out, that is known; else whether the key has an order is asked of PostgreSQL for many."""
        if isinstance(refused, KeyTaken):
            return True
        if isinstance(refused, SoldOut):
            try:
                if not await self._holds.buyers.may_have_ordered(session_id, user_id):
                    return False
            except Overloaded:  # Redis is away: PostgreSQL knows as well
                pass
        return await self._keys.call((user_id, key))
