"""One Redis server, and the commands that wait for it or are under way to it.

Commands wait while PIPELINES_MAX pipelines are under way, and leave together when one has come back;
one that finds nothing under way leaves at once.

A connection that breaks, or is silent for longer than the answer's timeout, is closed and everything
on its way is Unavailable; the next command opens another. A command is sent again only when the server
has said that it did not execute it: a script that it does not know is taught first, and a cluster's
node names another one (chassis.redis.pipeline).
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

import hiredis
from redis.exceptions import ResponseError

from chassis.problems import Unavailable
from chassis.redis.connection import Connection, Refused
from chassis.redis.metrics import figures_of
from chassis.redis.servers import Address
from chassis.redis.slots import Call

PIPELINES_MAX = 1  # a system call on either side for each: few and large ones
PIPELINE_MAX = 256  # commands of one

AGAIN = object()  # instead of an answer: the command is on its way once more

# What a server says that is loading, failing over, full, busy, or not ours: unavailable, not a bug.
_NOT_READY = frozenset(
    [
        *("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOAUTH", "NOPERM"),
        *("NOREPLICAS", "OOM", "READONLY", "UNKILLABLE", "WRONGPASS"),
    ]
)
_ELSEWHERE = frozenset(["MOVED", "ASK", "TRYAGAIN"])


class Group:
    """Commands whose answers one caller waits for together; `left` of them are still to come."""

    __slots__ = ("answers", "born", "each", "future", "left", "single")

    def __init__(
        self, future: "asyncio.Future[Any]", commands: int, born: float, *, single: bool, each: bool
    ) -> None:
        self.future = future
        self.answers: list[Any] = [None] * commands
        self.left = commands
        self.born = born
        self.single = single
        self.each = each  # failures are answers too

    def settle(self, place: int, answer: Any) -> None:
        self.answers[place] = answer
        self.left -= 1
        if self.left or self.future.done():
            return
        failure = None
        if not self.each:
            failure = next((one for one in self.answers if isinstance(one, BaseException)), None)
        if failure is not None:
            self.future.set_exception(failure)
            self.future.exception()  # a caller cancelled in this very turn will not look
        else:
            self.future.set_result(self.answers[0] if self.single else self.answers)


class Command:
    """beside: the key whose node answers a command that names none. asking: the node is told first
    that it is asked for a slot that is being moved to it."""

    __slots__ = ("asking", "beside", "call", "group", "hops", "pipeline", "place", "taught")

    def __init__(
        self, call: Call, group: Group | None, place: int, beside: str | bytes | None = None
    ) -> None:
        self.call = call
        self.group = group  # None: nobody waits for its answer
        self.place = place
        self.beside = beside
        self.taught = False
        self.asking = False
        self.hops = 0
        self.pipeline: _Pipeline | None = None

    def once_more(self) -> "Command":
        """To be sent again, perhaps to a node that does not know its script either."""
        again = Command(self.call, self.group, self.place, self.beside)
        again.hops = self.hops
        return again


class _Pipeline:
    __slots__ = ("deadline", "left")

    def __init__(self, commands: int, deadline: asyncio.TimerHandle) -> None:
        self.left = commands
        self.deadline = deadline


class Router(Protocol):
    """What a node needs of its owner."""

    async def open(self, node: "Node") -> Connection | None:
        """A connection for the node, or None when its commands have been given to others meanwhile.
        Raises OSError or Refused."""

    def settle(self, command: Command, answer: Any) -> None:
        """The command's answer, or its failure."""

    def redirect(self, node: "Node", command: Command, text: str) -> Any:
        """After MOVED, ASK or TRYAGAIN: AGAIN, or the failure."""

    def unwell(self, node: "Node") -> None:
        """The node was cut off, or says that it is not what it was."""


class Node:
    """address: None for one that is found at each connect, by URL or by sentinels."""

    def __init__(
        self,
        address: Address | None,
        router: Router,
        script_texts: Mapping[str, str],
        answer_timeout_s: float,
    ) -> None:
        self.address = address
        self._router = router
        self._script_texts = script_texts
        self._answer_timeout_s = answer_timeout_s
        self._queue: deque[Command] = deque()
        self._sent: deque[Command] = deque()
        self._teaching: set[str] = set()
        self._pipelines = 0
        self._scheduled = False
        self._retired = False
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self.connected_since: float | None = (
            None  # by the loop's clock; None while there is no connection
        )
        self._figures = figures_of(address)

    @property
    def connected_to(self) -> Address | None:
        """Where its connection leads."""
        return self._connection.address if self._connection is not None else self.address

    def enqueue(self, command: Command) -> None:
        self._queue.append(command)
        if self._pipelines < PIPELINES_MAX and not self._scheduled:
            self._scheduled = True  # leave after this turn of the loop, with all that came in it
            asyncio.get_running_loop().call_soon(self._depart)

    def take_waiting(self) -> list[Command]:
        """Those that have not been sent; they are the caller's from here on."""
        waiting = [one.once_more() for one in self._queue if one.group is not None]
        self._queue.clear()
        return waiting

    def retire(self) -> None:
        """Closed once it has answered all that was given to it."""
        self._retired = True
        if not self._sent and not self._queue:
            self._cut("Redis was closed.")

    async def close(self) -> None:
        """At once; what is under way is Unavailable."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait((self._connecting,))
        connection = self._connection
        self._cut("Redis was closed.")
        if connection is not None:
            await connection.closed.wait()

    def _depart(self) -> None:
        self._scheduled = False
        if self._connection is None:
            if self._queue and self._connecting is None:
                self._connecting = asyncio.get_running_loop().create_task(self._connect())
            return
        while self._queue and self._pipelines < PIPELINES_MAX:
            self._send(self._connection)

    def _send(self, connection: Connection) -> None:
        """One pipeline of the longest waiting, without those whose callers have gone."""
        commands: list[Command] = []
        packed: list[bytes] = []
        while self._queue and len(commands) < PIPELINE_MAX:
            command = self._queue.popleft()
            if command.group is not None and command.group.future.done():
                self._router.settle(command, None)
                continue
            try:
                data = hiredis.pack_command(command.call)
            except (TypeError, ValueError) as mistake:
                self._router.settle(command, mistake)
                continue
            if command.asking:  # holds for the very next command: nothing may come between them
                commands.append(Command(("ASKING",), None, 0))
                packed.append(b"*1\r\n$6\r\nASKING\r\n")
            packed.append(data)
            commands.append(command)
        if not commands:
            return
        deadline = asyncio.get_running_loop().call_later(self._answer_timeout_s, self._late)
        pipeline = _Pipeline(len(commands), deadline)
        for command in commands:
            command.pipeline = pipeline
        self._pipelines += 1
        self._sent.extend(commands)
        connection.write(b"".join(packed))
        self._figures.commands(len(commands))

    def _late(self) -> None:
        self.cut_off("Redis does not answer (TimeoutError).")

    def arrived(self, answer: Any) -> None:
        """The next answer on the connection."""
        command = self._sent.popleft()
        if command.group is None:
            if command.call[0] == "SCRIPT":  # taught; one forgotten from now on is taught anew
                self._teaching.clear()
        else:
            if isinstance(answer, Refused):
                answer = self._judged(command, str(answer))
            if answer is not AGAIN:
                self._router.settle(command, answer)
        pipeline = command.pipeline
        if pipeline is not None:
            pipeline.left -= 1
            if not pipeline.left:
                pipeline.deadline.cancel()
                began = pipeline.deadline.when() - self._answer_timeout_s
                self._figures.seconds(asyncio.get_running_loop().time() - began)
                self._pipelines -= 1
                if self._queue:
                    self._depart()
                elif self._retired and not self._sent:
                    self._cut("Redis was closed.")

    def _judged(self, command: Command, text: str) -> Any:
        """What an error means to the caller; or AGAIN."""
        word = text.split(" ", 1)[0]
        if word in _ELSEWHERE:
            return self._router.redirect(self, command, text)
        if word in _NOT_READY:
            if word == "READONLY":  # a replica by now: the next command finds the primary
                asyncio.get_running_loop().call_soon(
                    self.cut_off, "Redis is not ready (READONLY).", self._connection
                )
            elif word in {"CLUSTERDOWN", "MASTERDOWN"}:
                self._router.unwell(self)
            return Unavailable(f"Redis is not ready ({word}).")
        script = self._script_texts.get(command.call[1]) if word == "NOSCRIPT" else None
        if script is None or command.taught:
            return ResponseError(text)
        digest = command.call[1]
        if digest not in self._teaching:
            self._teaching.add(digest)
            self._queue.appendleft(Command(("SCRIPT", "LOAD", script), None, 0))
        again = command.once_more()
        again.taught = True
        self._queue.append(again)  # behind the lesson, wherever that has got to
        return AGAIN

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                self._connection = await self._router.open(self)
            if self._connection is not None:
                self.connected_since = asyncio.get_running_loop().time()
            self._figures = figures_of(self.connected_to)
        except Refused as refused:
            self.cut_off(f"Redis refuses the connection ({refused}).")
        except (OSError, hiredis.HiredisError) as down:  # TimeoutError is an OSError
            self.cut_off(f"Redis does not answer ({type(down).__name__}).")
        finally:
            self._connecting = None
        self._depart()

    def lost(self, connection: Connection) -> None:
        if connection is self._connection:
            self.cut_off("Redis does not answer (the connection was lost).")

    def cut_off(self, reason: str, connection: Connection | None = None) -> None:
        """The node is not what it was, unless a newer connection than this one has replaced it."""
        if connection is None or connection is self._connection:
            self._figures.cut()
            self._cut(reason)
            self._router.unwell(self)

    def _cut(self, reason: str) -> None:
        """Whatever waits or is under way is told; late answers on this connection reach nobody."""
        connection, self._connection, self.connected_since = self._connection, None, None
        if connection is not None:
            connection.abort()
        commands = [*self._sent, *self._queue]
        self._sent.clear()
        self._queue.clear()
        self._teaching.clear()
        self._pipelines = 0
        for command in commands:
            if command.pipeline is not None:
                command.pipeline.deadline.cancel()
            if command.group is not None:
                self._router.settle(command, Unavailable(reason))
