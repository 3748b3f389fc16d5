"""Calls for single orders of many requests, gathered into few script calls.

The scripts that are about an order take several orders of a session, each with its own answer. What arrived
while the last round trip to a node was under way travels with the next: one script call a session and script,
of at most ORDERS_A_CALL_MAX orders. A session's batch is not the node's: a script runs for one session, and
others' commands run between two of them.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from redis.exceptions import ResponseError

from booking.seats.keys import HOLD_INTENT_MS, session_keys
from chassis.concurrency.coalescer import Coalescer
from chassis.problems import Overloaded, Unavailable
from chassis.redis.scripts import RedisCalls, Script
from chassis.redis.servers import Address
from chassis.redis.slots import Call

ORDERS_A_CALL_MAX = (
    16  # a script of 2 ms at most; twice as many save no more than a tenth (docs/adr/0075)
)
BATCH_MAX = 128  # orders a round trip
WAITING_MAX = 20_000  # orders waiting for one node; as many as its pipeline takes

SHARED_ARGS: dict[str, tuple[int, ...]] = {  # of each script, before those of its orders
    "hold": (HOLD_INTENT_MS,),
    "keep": (),
    "sell": (),
    "release": (),
}

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Args = Sequence[str | bytes | int]
Answer = tuple[str, list[Any]]


class ByNode(Generic[Item, Outcome]):
    """A coalescer a node of Redis: one that is away delays only its own sessions."""

    def __init__(self, calls: RedisCalls, make: Callable[[], Coalescer[Item, Outcome]]) -> None:
        self._calls = calls
        self._make = make
        self._by_node: dict[Address | None, Coalescer[Item, Outcome]] = {}

    def of(self, session_id: UUID) -> Coalescer[Item, Outcome]:
        node = self._calls.node_of(session_keys(session_id)[0])
        if node is not None and not node.host:
            node = None  # no node has its slot now
        found = self._by_node.get(node)
        if found is None:
            found = self._by_node[node] = self._make()
        return found


class _Asked(NamedTuple):
    session_id: UUID
    script: str
    args: Args


class OrdersTogether:
    """`await ask(session_id, script, args)` → the order's answer as (word, rest), also `not_loaded`.

    args: of this order alone. An order that a script fails at fails alone, with what Redis says. Raises
    Unavailable if Redis does not answer in time (then nothing is known about what it did), or Overloaded.
    """

    def __init__(self, calls: RedisCalls, scripts: dict[str, Script]) -> None:
        self._calls = calls
        self._scripts = scripts
        self._batches: ByNode[_Asked, Answer] = ByNode(
            calls,
            lambda: Coalescer(
                self._run,
                name="booking_seats",
                batch_max=BATCH_MAX,
                queue_max=WAITING_MAX,
                stage=None,
                shared_fate=True,
            ),
        )

    async def ask(self, session_id: UUID, script: str, args: Args) -> Answer:
        return await self._batches.of(session_id).submit(_Asked(session_id, script, args))

    async def ask_all(
        self, session_id: UUID, script: str, orders: Sequence[Args]
    ) -> list[Answer | BaseException]:
        """The same for many orders of a session at once: an answer or a failure each, in their order."""
        asked = [_Asked(session_id, script, args) for args in orders]
        answers: list[Answer | BaseException] = []
        for start in range(0, len(asked), BATCH_MAX):
            answers += await self._run(asked[start : start + BATCH_MAX])
        return answers

    async def _run(self, asked: Sequence[_Asked]) -> list[Answer | BaseException]:
        answers: list[Answer | BaseException] = [("later", [])] * len(asked)
        left = list(range(len(asked)))
        while left:
            calls = _calls_of(asked, left)
            results = await self._calls.submit_each([self._call(asked, call) for call in calls])
            if all(isinstance(result, Unavailable) for result in results):
                raise results[0]  # to those who wait as well
            for call, result in zip(calls, results, strict=True):
                found = _answers_of(self._scripts[asked[call[0]].script], result, len(call))
                for place, answer in zip(call, found, strict=True):
                    answers[place] = answer
            left = [place for place in left if _is_left(answers[place])]
        return answers

    def _call(self, asked: Sequence[_Asked], places: Sequence[int]) -> Call:
        first = asked[places[0]]
        args: list[str | bytes | int] = [*SHARED_ARGS[first.script]]
        for place in places:
            args += asked[place].args
        return self._scripts[first.script].call(session_keys(first.session_id), args)


def _calls_of(asked: Sequence[_Asked], places: Sequence[int]) -> list[list[int]]:
    """The places of each call's orders, which are of one session and script."""
    together: dict[tuple[UUID, str], list[int]] = {}
    for place in places:
        one = asked[place]
        together.setdefault((one.session_id, one.script), []).append(place)
    return [
        some[start : start + ORDERS_A_CALL_MAX]
        for some in together.values()
        for start in range(0, len(some), ORDERS_A_CALL_MAX)
    ]


def _answers_of(script: Script, result: Any, orders: int) -> list[Answer | BaseException]:
    """What one call says, for each of its orders. A script that fails has failed at the first of them."""
    if isinstance(result, ResponseError):
        return [result, *[("later", [])] * (orders - 1)]
    if isinstance(result, BaseException):
        return [_copy_of(result) for _ in range(orders)]
    if result[0] == b"not_loaded":
        return [("not_loaded", [])] * orders
    return [_checked(script, one) for one in result[1:]]


def _checked(script: Script, answer: Sequence[Any]) -> Answer | BaseException:
    word = answer[0].decode("ascii")
    if word not in script.words:
        return LookupError(f"{script.name}.lua returned {word!r}, which is not in its header")
    return word, list(answer[1:])


def _copy_of(failure: BaseException) -> BaseException:
    """One exception object must be raised to one caller only."""
    if isinstance(failure, Overloaded):
        return type(failure)(failure.detail)
    return type(failure)(*failure.args)


def _is_left(answer: Answer | BaseException) -> bool:
    return not isinstance(answer, BaseException) and answer[0] == "later"
