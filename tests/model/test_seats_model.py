"""The seats in Redis against a plain dict, step by step, through losses of Redis.

What is in PostgreSQL is the Truth's dict; what is only in Redis (an intent) may be lost by a flush
and is then gone from the model too. Everything else must be exactly as the dicts say, always.
"""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from booking.seats.claims import Claim, HoldState, OrderState
from booking.seats.differences import look
from booking.seats.holds import LUA, SeatHolds
from booking.seats.keys import session_keys
from booking.seats.outcomes import Held, LimitReached, NoAccessible, Repeated, SoldOut, Taken
from booking.seats.sold_out import Areas
from booking.seats.sweeper import Sweeper
from chassis.ids import uuid7
from chassis.redis.scripts import RedisCalls, load_scripts
from chassis.redis.servers import Servers
from tests.support.seat_model import row_scores, why_not, with_letters
from tests.support.seats import FOREVER_MS, DictTruth, best, exact

TICKETS_MAX = 9
USERS = 4
LAYOUTS = [
    "......|.....|........||...|.......|....",
    ":;..:./.....|..||.:;|../.../..:|.....::",
    "....../.....|:./.:....||:::|;:..../....",
    "......|x....|,,,|..:.|x.|....;.:...|...",
]
AREAS: list[Areas] = [((1, 12),), ((14, 39),), ((14, 39), (1, 12))]
WORDS: dict[type, str] = {SoldOut: "sold_out", NoAccessible: "no_accessible"}


class SeatsMachine(RuleBasedStateMachine):
    """Rules are what use cases and failures do; invariants compare Redis with the model."""

    redis_url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.truth = DictTruth()
        self.calls = RedisCalls(Servers(self.redis_url), load_scripts(LUA))
        self.holds = SeatHolds(self.calls, self.truth)
        self.users = [uuid7() for _ in range(USERS)]
        self.seats = ""
        self.intents: dict[UUID, tuple[UUID, list[int]]] = {}  # order → user, seats: Redis alone
        self.orders: dict[UUID, tuple[UUID, list[int]]] = {}  # committed, not paid
        self.tickets = dict.fromkeys(self.users, 0)

    def run(self, step: Any) -> Any:
        return self.runner.run(step)

    def teardown(self) -> None:
        self.run(self.calls.close())
        self.runner.close()

    @initialize(
        layout=st.sampled_from(LAYOUTS),
        blocked=st.sets(st.sampled_from([2, 9, 12, 30]), max_size=2),
    )
    def publishes(self, layout: str, blocked: set[int]) -> None:
        self.session_id = self.truth.publish(layout)
        self.seats = layout
        self.truth.claim(self.session_id, sorted(blocked), "blocked")
        self.seats = with_letters(self.seats, sorted(blocked), "b")

    @rule(
        user=st.integers(0, USERS - 1),
        areas=st.sampled_from(AREAS),
        quantity=st.integers(1, 6),
        accessible=st.sampled_from([0, 0, 1, 2]),
        two_rows=st.booleans(),
    )
    def hold_best(
        self, user: int, areas: Areas, quantity: int, accessible: int, two_rows: bool
    ) -> None:
        order_id, user_id, accessible = uuid7(), self.users[user], min(accessible, quantity)
        answer = self.run(
            best(
                self.holds,
                self.session_id,
                areas,
                quantity,
                order_id=order_id,
                user_id=user_id,
                tickets_max=TICKETS_MAX,
                accessible=accessible,
                two_rows=two_rows,
            )
        )
        if self.tickets[user_id] + quantity > TICKETS_MAX:
            assert answer == LimitReached(self.tickets[user_id])
            return
        said = answer.seats if isinstance(answer, Held) else WORDS[type(answer)]
        is_split = isinstance(answer, Held) and answer.is_split
        scores = row_scores(self.seats)
        wrong = why_not(
            *(self.seats, scores, areas, quantity, accessible, said),
            is_split=is_split, two_rows=two_rows,
        )  # fmt: skip
        assert wrong is None, (self.seats, wrong)
        if isinstance(answer, Held):
            self._intend(order_id, user_id, answer.seats)

    @rule(user=st.integers(0, USERS - 1), seats=st.sets(st.integers(1, 40), min_size=1, max_size=4))
    def hold_exact(self, user: int, seats: set[int]) -> None:
        order_id, user_id, wanted = uuid7(), self.users[user], sorted(seats)
        answer = self.run(
            exact(
                self.holds,
                self.session_id,
                wanted,
                order_id=order_id,
                user_id=user_id,
                tickets_max=TICKETS_MAX,
            )
        )
        taken = [seat for seat in wanted if self.seats[seat - 1 : seat] not in set(".:;,")]
        if taken:
            assert answer == Taken(taken)
        elif self.tickets[user_id] + len(wanted) > TICKETS_MAX:
            assert answer == LimitReached(self.tickets[user_id])
        else:
            assert isinstance(answer, Held)
            self._intend(order_id, user_id, wanted)

    @precondition(lambda self: self.intents)
    @rule(choice=st.randoms(use_true_random=False))
    def the_same_order_again(self, choice: Any) -> None:
        order_id = choice.choice(sorted(self.intents))
        answer = self.run(exact(self.holds, self.session_id, [1], order_id=order_id))
        assert answer == Repeated(order_id)

    @precondition(lambda self: self.intents)
    @rule(choice=st.randoms(use_true_random=False))
    def commit(self, choice: Any) -> None:
        order_id = choice.choice(sorted(self.intents))
        user_id, seats = self.orders[order_id] = self.intents.pop(order_id)
        self.truth.claim(self.session_id, seats, "held", order_id, user_id, FOREVER_MS)
        self.truth.order_states_of[order_id] = HoldState(OrderState.ALIVE, FOREVER_MS)

    @precondition(lambda self: self.intents or self.orders)
    @rule(choice=st.randoms(use_true_random=False), heard=st.booleans())
    def release(self, choice: Any, heard: bool) -> None:
        """Cancelled; `heard`: Redis is told now, else by the sweeper."""
        order_id = choice.choice(sorted([*self.intents, *self.orders]))
        user_id, seats = self.intents.pop(order_id, None) or self.orders.pop(order_id)
        for seat in seats:
            self.truth.claims[self.session_id].pop(seat, None)
        self.truth.order_states_of[order_id] = HoldState(OrderState.CANCELLED)
        self._tell(heard, order_id, self.holds.release)
        self.seats = with_letters(self.seats, seats, ".")
        self.tickets[user_id] -= len(seats)

    @precondition(lambda self: self.orders)
    @rule(choice=st.randoms(use_true_random=False), heard=st.booleans())
    def sell(self, choice: Any, heard: bool) -> None:
        order_id = choice.choice(sorted(self.orders))
        user_id, seats = self.orders.pop(order_id)
        self.truth.claim(self.session_id, seats, "sold", order_id, user_id)
        self.truth.order_states_of[order_id] = HoldState(OrderState.PAID)
        self._tell(heard, order_id, self.holds.sell)
        self.seats = with_letters(self.seats, seats, "s")

    @precondition(lambda self: self.intents)
    @rule(choice=st.randoms(use_true_random=False))
    def refuse(self, choice: Any) -> None:
        """PostgreSQL has one of the seats for another order, of which Redis knew nothing."""
        order_id = choice.choice(sorted(self.intents))
        user_id, seats = self.intents.pop(order_id)
        other, rival = uuid7(), self.users[0]
        [claim] = self.truth.claim(self.session_id, seats[:1], "held", other, rival, FOREVER_MS)
        self.truth.order_states_of[other] = HoldState(OrderState.ALIVE, FOREVER_MS)
        self.run(self.holds.correct(self.session_id, [claim, _nowhere(claim)]))
        self.run(self.holds.release(self.session_id, order_id))
        self.seats = with_letters(self.seats, seats[1:], ".")
        self.tickets[user_id] -= len(seats)
        self.tickets[rival] += 1
        self.orders[other] = (rival, seats[:1])

    @rule()
    def sweep_everything_due(self) -> None:
        """Every hold comes due: intents never committed are freed, orders are put back."""
        for order_id in [*self.intents, *self.orders]:
            self._make_due(order_id)
        self.run(Sweeper(self.holds).sweep_once())
        for user_id, seats in self.intents.values():
            self.seats = with_letters(self.seats, seats, ".")
            self.tickets[user_id] -= len(seats)
        self.intents.clear()

    @rule(number=st.integers(0, 8))
    def lose(self, number: int) -> None:
        """All of Redis, or one key: what PostgreSQL has not heard of is forgotten."""
        keys = session_keys(self.session_id)
        if number == len(keys):
            self.run(self.calls.command_to_each_node("FLUSHDB"))
        else:
            self.run(self.calls.command("DEL", keys[number]))
        for user_id, seats in self.intents.values():
            self.seats = with_letters(self.seats, seats, ".")
            self.tickets[user_id] -= len(seats)
        self.intents.clear()

    @invariant()
    def seats_are_as_the_model_says(self) -> None:
        _, stored = self.run(self.holds.stored(self.session_id))
        assert stored.decode() == self.seats

    @invariant()
    def tallies_are_as_the_model_says(self) -> None:
        key = session_keys(self.session_id)[2]
        counted = self.run(self.holds.calls.command("HMGET", key, *map(str, self.users)))
        assert [int(one or 0) for one in counted] == list(self.tickets.values())

    @invariant()
    def only_intents_differ_from_postgresql(self) -> None:
        found = self.run(look(self.holds, self.session_id)).differences
        intended = {str(seat) for _, seats in self.intents.values() for seat in seats}
        assert {one.what for one in found if one.kind == "seat"} == intended

    def _intend(self, order_id: UUID, user_id: UUID, seats: list[int]) -> None:
        self.intents[order_id] = (user_id, seats)
        self.seats = with_letters(self.seats, seats, "h")
        self.tickets[user_id] += len(seats)

    def _tell(self, heard: bool, order_id: UUID, told: Any) -> None:
        if heard:
            self.run(told(self.session_id, order_id))
        else:
            self._make_due(order_id)
            self.run(Sweeper(self.holds).sweep_once())

    def _make_due(self, order_id: UUID) -> None:
        key = session_keys(self.session_id)[5]
        self.run(self.holds.calls.command("ZADD", key, "XX", 1, str(order_id)))


def _nowhere(claim: Claim) -> Claim:
    """The same claim on a gap, which changes nothing."""
    return Claim(7, claim.state, claim.order_id, claim.user_id, claim.expires_in_ms)


@pytest.mark.timeout(300)
def test_redis_is_the_plain_dict(redis_url: str) -> None:
    machine = type("Machine", (SeatsMachine,), {"redis_url": redis_url})
    case = machine.TestCase
    case.settings = settings(
        max_examples=60,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    case("runTest").runTest()
