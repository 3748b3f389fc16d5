"""Seat operations for use cases: one method an operation. Those of an order travel together (together.py)."""

import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from booking.seats.buyers import IN_FLIGHT_MAX_S, KnownBuyers
from booking.seats.bytes import TAKEN, letters_of, public_form
from booking.seats.claims import Claim, ClaimSource
from booking.seats.keys import (
    HOLD_INTENT_MS,
    POSITIONS_MAX,
    QUANTITY_MAX,
    repeat_field,
    session_keys,
)
from booking.seats.loading import WAIT_S, Rebuilder
from booking.seats.outcomes import (
    Held,
    LeftAlone,
    LimitReached,
    NoAccessible,
    Repeated,
    SoldOut,
    Taken,
)
from booking.seats.sold_out import Areas, SoldOutMemory
from booking.seats.together import Answer, Args, OrdersTogether
from chassis.clock import MachineClock
from chassis.context import current
from chassis.problems import Unavailable
from chassis.redis.scripts import RedisCalls, load_scripts

LUA = Path(__file__).parent / "lua"
ATTEMPTS_MAX = 3  # a session may get lost again while it is loaded
TURNS_AT_ONCE = 10  # parts of a second: a burst is what one of them has
SEATS_A_CALL_MAX = 500  # of correct, block and unblock; larger lists take several calls

Kind = Literal["seats", "standing"]


class Wanted(msgspec.Struct, frozen=True):
    """The best `quantity` seats of some areas, each its first and last position; or places of the only
    one, which is for standing.

    accessible: so many of them are accessible seats, the others beside those, also in companions' seats;
    0: none of them is either. two_rows: rather one behind the other than apart.
    """

    areas: Areas
    quantity: int
    kind: Kind = "seats"
    accessible: int = 0
    two_rows: bool = False

    def numbers(self) -> list[int]:
        """As lua/hold.lua takes them. Raises ValueError."""
        first, last = min(one for one, _ in self.areas), max(one for _, one in self.areas)
        is_one = len(self.areas) == 1 and not self.accessible
        if (
            not 1 <= self.quantity <= QUANTITY_MAX
            or not 0 <= self.accessible <= self.quantity
            or not 1 <= first <= last <= POSITIONS_MAX
            or not (self.kind == "seats" or is_one)
        ):
            raise ValueError(f"no hold of {self}")
        ends = [end for area in self.areas for end in area]
        return [self.quantity, self.accessible, int(self.two_rows), *ends]


class SeatHolds:
    """Every method raises Unavailable or Overloaded if Redis or a rebuild does not answer in time, and
    NotFound if the session is not published.
    """

    def __init__(
        self,
        calls: RedisCalls,
        truth: ClaimSource,
        *,
        load_wait_s: float = WAIT_S,
        in_flight_max_s: float = IN_FLIGHT_MAX_S,
        clock: MachineClock = time,
    ) -> None:
        self.calls = calls
        self.truth = truth
        self.scripts = load_scripts(LUA)
        self.rebuilder = Rebuilder(calls, self.scripts, truth, wait_s=load_wait_s)
        self._orders = OrdersTogether(calls, self.scripts)
        self._sold_out = SoldOutMemory(clock=clock)
        self.buyers = KnownBuyers(calls, truth, in_flight_max_s=in_flight_max_s, clock=clock)

    def is_sold_out(self, session_id: UUID, wanted: Wanted) -> bool:
        """Whether this process knows that these seats are not to be had. Now and then False though it
        does, for one who then asks Redis: ask before each `hold_best`."""
        if wanted.accessible:
            return False
        return self._sold_out.says(session_id, wanted.areas, wanted.quantity)

    async def hold_best(
        self,
        session_id: UUID,
        *,
        order_id: UUID,
        user_id: UUID,
        tickets_max: int,
        wanted: Wanted,
        idempotency_key: str | None,
    ) -> Held | SoldOut | NoAccessible | LimitReached | Repeated:
        """Holds the best free seats for HOLD_INTENT_MS. docs/adr/0092 defines the best seats."""
        who = (order_id, user_id, tickets_max, idempotency_key)
        kind = "best" if wanted.kind == "seats" else "standing"
        match await self._hold(session_id, *who, kind, wanted.numbers()):
            case "held", [version, how, _, *seats]:
                self._sold_out.forget(session_id, wanted.areas)
                return Held(version, seats, is_split=how == 1)
            case "sold_out", [also_for_more]:
                if also_for_more:
                    self._sold_out.remember(session_id, wanted.areas, wanted.quantity)
                return SoldOut()
            case "no_accessible", _:
                return NoAccessible()
            case "limit_reached", [tickets]:
                return LimitReached(tickets)
            case "repeated", [earlier]:
                return Repeated(UUID(earlier.decode()))
            case answer:
                raise LookupError(f"a hold of the best was answered {answer}")

    async def hold_exact(
        self,
        session_id: UUID,
        *,
        order_id: UUID,
        user_id: UUID,
        tickets_max: int,
        seats: Sequence[int],
        idempotency_key: str | None,
        leave_none_alone: bool = False,
    ) -> Held | Taken | LeftAlone | LimitReached | Repeated:
        """Holds exactly these seats, or none, for HOLD_INTENT_MS. Positions without a seat count as taken.

        leave_none_alone: not if that leaves a single free seat that was not single before.
        """
        wanted = sorted(set(seats))
        if not 1 <= len(wanted) == len(seats) <= QUANTITY_MAX:
            raise ValueError(f"a hold has 1 to {QUANTITY_MAX} different seats")
        outside = [seat for seat in wanted if not 1 <= seat <= POSITIONS_MAX]
        if outside:
            return Taken(outside)
        who = (order_id, user_id, tickets_max, idempotency_key)
        kind = "tidy" if leave_none_alone else "exact"
        match await self._hold(session_id, *who, kind, wanted):
            case "held", [version, _, alone, *held]:
                left_alone = [int(seat) for seat in alone.split(b",") if seat]
                return Held(version, held, left_alone=left_alone)
            case "taken", taken:
                return Taken(taken)
            case "alone", left_alone:
                return LeftAlone(left_alone)
            case "limit_reached", [tickets]:
                return LimitReached(tickets)
            case "repeated", [earlier]:
                return Repeated(UUID(earlier.decode()))
            case answer:
                raise LookupError(f"a hold of exact seats was answered {answer}")

    async def release(self, session_id: UUID, order_id: UUID) -> None:
        """Frees the seats that the order still holds. Idempotent; a late call cannot free another order's
        seats."""
        await self._run_for_order(session_id, "release", [str(order_id)])
        self._sold_out.forget(session_id)

    async def sell(self, session_id: UUID, order_id: UUID) -> None:
        """Marks the order's held seats sold. Call it after PostgreSQL has committed the sale. Idempotent."""
        await self._run_for_order(session_id, "sell", [str(order_id)])

    async def keep_many(self, session_id: UUID, expires_in_ms: Mapping[UUID, int]) -> None:
        """Moves the deadline of each order's hold to the order's own, once it is in PostgreSQL. Idempotent,
        as are the next two: they are `sell` and `release` for many orders, each by itself."""
        orders = [(str(order_id), left_ms) for order_id, left_ms in expires_in_ms.items()]
        await self._run_for_orders(session_id, "keep", orders)

    async def sell_many(self, session_id: UUID, order_ids: Sequence[UUID]) -> None:
        await self._run_for_orders(session_id, "sell", [(str(one),) for one in order_ids])

    async def release_many(self, session_id: UUID, order_ids: Sequence[UUID]) -> None:
        if not order_ids:
            return  # no seat comes back: what is known to be sold out stays known
        try:
            await self._run_for_orders(session_id, "release", [(str(one),) for one in order_ids])
        finally:
            self._sold_out.forget(session_id)

    async def correct(self, session_id: UUID, claims: Sequence[Claim]) -> None:
        """Writes PostgreSQL's claims to Redis, after PostgreSQL refused seats that were free here.

        Holds of other orders become due within HOLD_INTENT_MS, because they may have ended since the claims
        were read; the sweeper then asks PostgreSQL.
        """
        ordered = sorted(claims, key=lambda claim: claim.seat_id)
        for start in range(0, len(ordered), SEATS_A_CALL_MAX):
            args: list[str | bytes | int] = []
            for claim in ordered[start : start + SEATS_A_CALL_MAX]:
                due_in_ms = max(0, min(claim.expires_in_ms or 0, HOLD_INTENT_MS))
                owner = (str(claim.order_id or ""), str(claim.user_id or ""))
                args += (claim.seat_id, chr(TAKEN[claim.state]), *owner, due_in_ms)
            await self.run(session_id, "correct", args)

    async def block(self, session_id: UUID, seats: Sequence[int]) -> None:
        """Marks seats blocked, after PostgreSQL has blocked them."""
        await self.correct(session_id, [Claim(seat, "blocked", None, None, None) for seat in seats])

    async def unblock(self, session_id: UUID, seats: Sequence[int]) -> None:
        """Frees seats that PostgreSQL has unblocked. A seat that is not blocked here stays unchanged."""
        await self.free(session_id, ((seat, "b", "") for seat in sorted(seats)))

    async def free(self, session_id: UUID, looked_at: Iterable[tuple[int, str, str]]) -> None:
        """Frees each seat that still has the given state and owner (an order id, or empty)."""
        seats = list(looked_at)
        for start in range(0, len(seats), SEATS_A_CALL_MAX):
            piece = seats[start : start + SEATS_A_CALL_MAX]
            await self.run(session_id, "free", [value for seat in piece for value in seat])
            self._sold_out.forget(session_id)

    async def due(self, session_id: UUID, orders_max: int) -> list[UUID]:
        """Orders whose holds are due. They stay due until release, keep or sell."""
        _, orders = await self.run(session_id, "due", [orders_max])
        return [UUID(order.decode()) for order in orders]

    async def take_turn(self, session_id: UUID, per_second: int) -> int:
        """0, or in how many ms the next turn comes: `per_second` turns over all processes. A tenth of a
        second's turns may be taken at once. Losing Redis gives these again."""
        args: Args = [round(1_000_000 / per_second), math.ceil(per_second / TURNS_AT_ONCE)]
        match await self.run(session_id, "turn", args):
            case "taken", _:
                return 0
            case "wait", [again_in_ms]:
                return int(again_in_ms)
            case answer:
                raise LookupError(f"turn answered {answer}")

    async def stored(self, session_id: UUID) -> tuple[int, bytes]:
        """The version, and Redis' bytes: one a position (bytes.py)."""
        _, (version, seats) = await self.run(session_id, "state", [])
        return version, seats

    async def positions(self, session_id: UUID) -> tuple[int, bytes]:
        """The version, and one letter a position with gaps (`|`): seat_id is the index plus one."""
        version, seats = await self.stored(session_id)
        return version, letters_of(seats)

    async def state(self, session_id: UUID) -> tuple[int, bytes]:
        """The version, and one letter a seat in seat_id order (API.md)."""
        version, seats = await self.positions(session_id)
        return version, public_form(seats)

    async def rebuild(self, session_id: UUID) -> None:
        """Replaces the session in Redis with PostgreSQL's state."""
        await self.rebuilder.rebuild(session_id)
        self._sold_out.forget(session_id)

    async def run(self, session_id: UUID, name: str, args: Args) -> Answer:
        """Runs a script on a session. Loads the session first if needed."""
        script, keys = self.scripts[name], session_keys(session_id)
        return await self._once_loaded(session_id, lambda: self.calls.run(script, keys, args))

    async def _hold(  # noqa: PLR0917  the arguments of a script
        self,
        session_id: UUID,
        order_id: UUID,
        user_id: UUID,
        tickets_max: int,
        idempotency_key: str | None,
        kind: str,
        numbers: Sequence[int],
    ) -> Answer:
        field = repeat_field(user_id, idempotency_key)
        who = (str(order_id), str(user_id), tickets_max, field)
        return await self._run_for_order(session_id, "hold", (*who, kind, len(numbers), *numbers))

    async def _run_for_order(self, session_id: UUID, name: str, args: Args) -> Answer:
        """Runs a script for one order, together with what others ask meanwhile."""
        began_s = time.perf_counter()
        try:
            return await self._once_loaded(
                session_id, lambda: self._orders.ask(session_id, name, args)
            )
        finally:
            current().spend("redis", began_s, name)

    async def _run_for_orders(self, session_id: UUID, name: str, orders: Sequence[Args]) -> None:
        """Raises what an order has failed at, once all have had their turn."""

        async def ask() -> Answer:
            answers = await self._orders.ask_all(session_id, name, orders)
            failed[:] = [one for one in answers if isinstance(one, BaseException)]
            lost = any(one == ("not_loaded", []) for one in answers)
            return ("not_loaded" if lost else "answered"), []

        failed: list[BaseException] = []
        if orders:
            await self._once_loaded(session_id, ask)
        if failed:
            raise failed[0]

    async def _once_loaded(self, session_id: UUID, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        for _ in range(ATTEMPTS_MAX):
            word, rest = await ask()
            if word != "not_loaded":
                return word, rest
            await self.rebuilder.ensure_loaded(session_id)
            self._sold_out.forget(session_id)
        raise Unavailable("The seats of this session cannot be loaded now.")
