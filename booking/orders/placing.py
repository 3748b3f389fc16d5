"""Placing orders: hold in Redis, decide in PostgreSQL, answer 201 only for what is committed.

    parsed → terms → sale window → one hold script → buyer → one coalesced statement → answer

A promo code is found before the hold, so that guessing them holds no seats (booking.promo_codes.guessing).

What PostgreSQL refuses gives its hold back. What nobody can know the outcome of (the database went
away in the middle) keeps it: the sweeper asks PostgreSQL within HOLD_INTENT_MS and puts things right.
"""

from collections.abc import Sequence
from uuid import UUID

from booking.clients.catalog import Sessions, refuse_outside_sale
from booking.clients.identity import KnownAccounts
from booking.domain.problems import CoolingDown, SeatsTaken, SoldOut, TicketLimitReached
from booking.orders import store
from booking.orders.cooldown import CoolingMemory
from booking.orders.discounted import PlaceWithPromoCode
from booking.orders.draft import OrderDraft, created_answer, new_order
from booking.orders.placing_store import place_orders, true_claims
from booking.orders.records import NewOrder, PlacedOrder
from booking.orders.wire import (
    CreateOrder,
    OrderAnswer,
    area_of,
    check_shape,
    order_answer,
    refuse_unknown,
)
from booking.promo_codes.guessing import PromoGuesses
from booking.refusals import KeyTaken, SeatsRefused
from booking.seats.holds import Kind, SeatHolds
from booking.seats.outcomes import Held, LimitReached, NoAccessible, Repeated, Taken
from booking.seats.outcomes import SoldOut as NoneLeft
from chassis.clock import Clock
from chassis.concurrency.coalescer import Coalescer
from chassis.http.idempotency import body_hash
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection
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
STATEMENTS_AT_ONCE = 1  # a statement costs as much as 5 orders in it do: fewer, larger ones
KEYS_MAX = 200  # keys of refused orders asked about in one query
KINDS: dict[str, Kind] = {"seated": "seats", "standing": "standing"}
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
        redeeming: PlaceWithPromoCode,
    ) -> None:
        self._pool = pool
        self._holds = holds
        self._sessions = sessions
        self._buyers = buyers
        self._clock = clock
        self._hold_ttl_s = hold_ttl_s
        self._guesses = guesses
        self._redeeming = redeeming
        self._cooling = CoolingMemory()
        self._keys: Coalescer[tuple[UUID, str], bool] = Coalescer(
            self._find_keys, batch_max=KEYS_MAX, queue_max=WAITING_MAX
        )
        self._commits: Coalescer[NewOrder, PlacedOrder] = Coalescer(
            self._commit_batch,
            batch_max=BATCH_MAX,
            queue_max=WAITING_MAX,
            concurrency=STATEMENTS_AT_ONCE,
        )

    async def place(
        self, user_id: UUID, wanted: CreateOrder, key: str | None, *, address: str | None = None
    ) -> tuple[OrderAnswer, bool]:
        """Raises the problems of the route. A refusal of a key that has an order replays that.

        address: what the client is counted by beside the user, where they name a promo code.
        """
        check_shape(wanted)
        hashed = body_hash(wanted) if key is not None else None
        try:
            return await self._place_new(user_id, wanted, key, hashed, address), False
        except (Problem, KeyTaken) as refused:
            if key is None or isinstance(refused, Overloaded | Unauthenticated | Forbidden):
                raise
            return await self._replay(user_id, key, hashed, refused), True

    async def _place_new(
        self,
        user_id: UUID,
        wanted: CreateOrder,
        key: str | None,
        hashed: bytes | None,
        address: str | None,
    ) -> OrderAnswer:
        terms = await self._sessions.published(wanted.session_id)
        refuse_outside_sale(terms, self._clock)
        self._cooling.refuse(wanted.session_id, user_id)
        seating = await self._sessions.seating(wanted.session_id)
        refuse_unknown(wanted, terms, seating)
        promo = None
        if wanted.promo_code:
            promo = await self._guesses.find(
                terms.show_id, wanted.promo_code, user_id=user_id, address=address
            )
        attempt = OrderDraft(wanted, user_id, key, hashed, terms, seating, uuid7(), promo)
        return await self._hold_and_commit(attempt)

    async def _hold_and_commit(self, attempt: OrderDraft) -> OrderAnswer:
        for _ in range(ATTEMPTS_MAX):
            seats = await self._hold(attempt)
            order = new_order(attempt, seats)
            try:
                await self._buyers.require(attempt.user_id)  # of those who got seats, not of all
                if attempt.promo is not None:
                    order, placed = await self._redeeming.place(order, attempt.promo)
                else:
                    placed = await self._commits.call(order)
            except SeatsRefused:
                await self._correct_redis(attempt, seats)
                if attempt.wanted.seats is not None:
                    raise SeatsTaken(await self._taken(attempt, seats)) from None
                continue
            except (Problem, KeyTaken) as refused:
                if isinstance(refused, CoolingDown):
                    self._cooling.remember(attempt.terms.session_id, attempt.user_id)
                if not isinstance(refused, Unavailable):  # then it may have been committed
                    await self._release(attempt)
                raise
            log.info(
                "order_created", user=attempt.user_id, session=attempt.terms.session_id,
                seats=len(seats), order=order.order_id,
            )  # fmt: skip
            return created_answer(order, placed)
        raise Overloaded("The seats of this session are being sorted out.")

    async def _hold(self, attempt: OrderDraft) -> list[int]:
        wanted, terms = attempt.wanted, attempt.terms
        outcome: Held | Taken | NoneLeft | NoAccessible | LimitReached | Repeated
        if wanted.seats is not None:
            outcome = await self._holds.hold_exact(
                terms.session_id,
                order_id=attempt.order_id,
                user_id=attempt.user_id,
                tickets_max=terms.max_tickets_per_user,
                seats=sorted(wanted.seats),
                idempotency_key=attempt.key,
            )
        else:
            area = area_of(terms, wanted.seat_area_id)
            outcome = await self._holds.hold_best(
                terms.session_id,
                order_id=attempt.order_id,
                user_id=attempt.user_id,
                tickets_max=terms.max_tickets_per_user,
                area=(area.first_seat_id, area.last_seat_id),
                quantity=wanted.quantity or 0,
                kind="accessible" if wanted.wants_accessible else KINDS[area.kind],
                idempotency_key=attempt.key,
            )
        match outcome:
            case Held(seats=seats):
                return sorted(seats)
            case Taken(seats=seats):
                raise SeatsTaken(seats)
            case NoneLeft():
                raise SoldOut()
            case NoAccessible():
                raise SoldOut("No accessible seat is left in this area.", accessible=True)
            case LimitReached(tickets=tickets):
                raise TicketLimitReached(f"You have {tickets} for this session already.")
            case Repeated():
                raise IdempotencyInFlight()

    async def _correct_redis(self, attempt: OrderDraft, seats: Sequence[int]) -> None:
        """Writes PostgreSQL's claims to Redis and releases this order's hold."""
        session_id = attempt.terms.session_id
        claims = await true_claims(self._pool, session_id, seats)
        log.warning("seats_refused", session=session_id, order=attempt.order_id, seats=len(claims))
        await self._holds.correct(session_id, claims)
        await self._release(attempt)

    async def _taken(self, attempt: OrderDraft, seats: Sequence[int]) -> list[int]:
        claims = await true_claims(self._pool, attempt.terms.session_id, seats)
        return [claim.seat_id for claim in claims] or list(seats)

    async def _release(self, attempt: OrderDraft) -> None:
        try:
            await self._holds.release(attempt.terms.session_id, attempt.order_id)
        except Problem:  # Redis is away; the intent ends by itself
            return
        log.info("hold_released", order=attempt.order_id, session=attempt.terms.session_id)

    async def _commit_batch(self, orders: Sequence[NewOrder]) -> list[PlacedOrder | BaseException]:
        return await place_orders(self._pool, orders, self._hold_ttl_s)

    async def _find_keys(self, asked: Sequence[tuple[UUID, str]]) -> list[bool]:
        async with connection(self._pool) as db:
            found = await store.keys_with_orders(db, asked)
        return [pair in found for pair in asked]

    async def _replay(
        self, user_id: UUID, key: str, hashed: bytes | None, refused: Exception
    ) -> OrderAnswer:
        """The answer that the key's first request got; `refused` again when there was no such one.

        Nearly every refusal of an on-sale has a new key: whether it has an order is asked for many.
        """
        if not isinstance(refused, KeyTaken) and not await self._keys.call((user_id, key)):
            raise refused
        async with connection(self._pool) as db:
            order = await store.get_order_by_key(db, user_id, key)
        if order is None:
            raise IdempotencyInFlight() if isinstance(refused, KeyTaken) else refused
        if order.body_hash != hashed:
            raise IdempotencyKeyReused()
        return order_answer(order, as_created=True)
