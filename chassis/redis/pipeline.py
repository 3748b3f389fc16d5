"""One connection to Redis that carries the commands of all requests of a process in pipelines.

Commands wait while PIPELINES_MAX pipelines are under way, and leave together when one has returned. A
command that finds nothing under way leaves at once. This replaces redis-py's pipeline, which costs six
times the Python per command (ADR 27). redis-py still parses the URL and serves everything else.

A connection that breaks, or is silent for longer than the timeout, is closed. All its commands become
Unavailable, and the next command opens a new one. Nothing is ever sent twice, except a script that the
server does not know.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, cast

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection
from redis.exceptions import ResponseError

from chassis.problems import Overloaded, Unavailable

PIPELINES_MAX = 1  # each costs a system call on either side: few and large ones
PIPELINE_MAX = 256  # commands per pipeline
WAITING_MAX = 20_000  # commands waiting or under way; beyond it callers get 503

Call = tuple[Any, ...]  # one command: ("EVALSHA", sha, 2, key, key, arg)

# Errors of a server that is loading, failing over, full, busy, or not ours: unavailable, not a bug.
_NOT_READY = frozenset(
    [
        *("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOAUTH", "NOPERM"),
        *("NOREPLICAS", "OOM", "READONLY", "TRYAGAIN", "UNKILLABLE", "WRONGPASS"),
    ]
)


class _Refused(Exception):
    """An error that Redis answered. hiredis creates these."""


class _Group:
    """Commands whose answers one caller awaits together. `left` of them are still to come."""

    __slots__ = ("answers", "future", "left", "single")

    def __init__(self, future: "asyncio.Future[Any]", commands: int, *, single: bool) -> None:
        self.future = future
        self.answers: list[Any] = [None] * commands
        self.left = commands
        self.single = single

    def settle(self, place: int, answer: Any) -> None:
        self.answers[place] = answer
        self.left -= 1
        if self.left or self.future.done():
            return
        failure = next((one for one in self.answers if isinstance(one, BaseException)), None)
        if failure is not None:
            self.future.set_exception(failure)
            self.future.exception()  # a caller cancelled in this turn will not read it
        else:
            self.future.set_result(self.answers[0] if self.single else self.answers)


class _Command:
    __slots__ = ("call", "group", "pipeline", "place", "taught")

    def __init__(self, call: Call, group: _Group | None, place: int) -> None:
        self.call = call
        self.group = group  # None: nobody waits for its answer
        self.place = place
        self.taught = False
        self.pipeline: _Pipeline | None = None


class _Pipeline:
    __slots__ = ("deadline", "left")

    def __init__(self, commands: int, deadline: asyncio.TimerHandle) -> None:
        self.left = commands
        self.deadline = deadline


class Pipeline:
    """`submit(call)` and `submit_all(calls)` return futures of Redis's answers.

    client: knows the server's address. script_texts: the scripts by digest, for a server that lost them.
    """

    def __init__(
        self, client: "Redis", script_texts: Mapping[str, str], *, answer_timeout_s: float
    ) -> None:
        self._client = client
        self._script_texts = script_texts
        self._answer_timeout_s = answer_timeout_s
        self._queue: deque[_Command] = deque()
        self._sent: deque[_Command] = deque()
        self._teaching: set[str] = set()
        self._pipelines = 0
        self._scheduled = False
        self._line: _Line | None = None
        self._connecting: asyncio.Task[None] | None = None

    def submit(self, call: Call) -> "asyncio.Future[Any]":
        return self._submit((call,), single=True)

    def submit_all(self, calls: Sequence[Call]) -> "asyncio.Future[list[Any]]":
        """One future of all answers in order. The first failure is raised for all of them."""
        return self._submit(calls, single=False)

    async def close(self) -> None:
        """Waits for commands under way. Waiting ones become Unavailable."""
        if self._connecting is not None:
            await asyncio.wait((self._connecting,))
        waited_for = [
            one.group.future
            for one in (*self._sent, *self._queue)
            if one.group is not None and not one.group.future.done()
        ]
        if waited_for:
            await asyncio.wait(waited_for, timeout=self._answer_timeout_s)
        line = self._line
        self._cut("Redis was closed.")
        if line is not None:
            await line.closed.wait()

    def _submit(self, calls: Sequence[Call], *, single: bool) -> "asyncio.Future[Any]":
        if len(self._queue) + len(self._sent) >= WAITING_MAX:
            raise Overloaded()
        loop = asyncio.get_running_loop()
        group = _Group(loop.create_future(), len(calls), single=single)
        for place, call in enumerate(calls):
            self._queue.append(_Command(call, group, place))
        if self._pipelines < PIPELINES_MAX and not self._scheduled:
            # leaves after this turn of the loop, with all commands of this turn
            self._scheduled = True
            loop.call_soon(self._depart)
        return group.future

    def _depart(self) -> None:
        self._scheduled = False
        if self._line is None:
            if self._queue and self._connecting is None:
                self._connecting = asyncio.get_running_loop().create_task(self._connect())
            return
        while self._queue and self._pipelines < PIPELINES_MAX:
            self._send(self._line)

    def _send(self, line: "_Line") -> None:
        """Sends one pipeline of the longest waiting commands, without those whose callers have gone."""
        commands: list[_Command] = []
        packed: list[bytes] = []
        while self._queue and len(commands) < PIPELINE_MAX:
            command = self._queue.popleft()
            if command.group is None or not command.group.future.done():
                try:
                    packed.append(hiredis.pack_command(command.call))
                except (TypeError, ValueError) as mistake:
                    self._settle(command, mistake)
                    continue
                commands.append(command)
        if not commands:
            return
        deadline = asyncio.get_running_loop().call_later(self._answer_timeout_s, self._late)
        pipeline = _Pipeline(len(commands), deadline)
        for command in commands:
            command.pipeline = pipeline
        self._pipelines += 1
        self._sent.extend(commands)
        line.write(b"".join(packed))

    def _late(self) -> None:
        self._cut("Redis does not answer (TimeoutError).")

    def arrived(self, answer: Any) -> None:
        """The next answer on the connection."""
        command = self._sent.popleft()
        # a script was loaded; if the server loses it later, it is loaded again
        if command.group is None:
            self._teaching.clear()
        elif isinstance(answer, _Refused):
            answer = self._judged(command, str(answer))
        self._settle(command, answer)
        pipeline = command.pipeline
        if pipeline is not None:
            pipeline.left -= 1
            if not pipeline.left:
                pipeline.deadline.cancel()
                self._pipelines -= 1
                if self._queue:
                    self._depart()

    def _settle(self, command: _Command, answer: Any) -> None:
        if command.group is not None and answer is not _AGAIN:
            command.group.settle(command.place, answer)

    def _judged(self, command: _Command, text: str) -> Any:
        """The error for the caller; or loads a missing script and repeats the call."""
        word = text.split(" ", 1)[0]
        if word in _NOT_READY:
            return Unavailable(f"Redis is not ready ({word}).")
        script = self._script_texts.get(command.call[1]) if word == "NOSCRIPT" else None
        if script is None or command.taught:
            return ResponseError(text)
        digest = command.call[1]
        if digest not in self._teaching:
            self._teaching.add(digest)
            self._queue.appendleft(_Command(("SCRIPT", "LOAD", script), None, 0))
        again = _Command(command.call, command.group, command.place)
        again.taught = True
        self._queue.append(again)  # behind the command that loads the script
        return _AGAIN

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                self._line = await self._open()
        except (OSError, _Refused, hiredis.HiredisError) as down:  # includes TimeoutError
            self._cut(f"Redis does not answer ({type(down).__name__}).")
        finally:
            self._connecting = None
        self._depart()

    async def _open(self) -> "_Line":
        where: dict[str, Any] = self._client.get_connection_kwargs()  # type: ignore[no-untyped-call]
        loop = asyncio.get_running_loop()
        if (path := where.get("path")) is not None:
            _, line = await loop.create_unix_connection(lambda: _Line(self), path)
        else:
            host, port = where.get("host", "localhost"), where.get("port", 6379)
            tls = self._tls()
            _, line = await loop.create_connection(lambda: _Line(self), host, port, ssl=tls)
        try:
            for call in _greeting(where):
                await line.ask(call)
        except BaseException:
            line.abort()
            raise
        return line

    def _tls(self) -> ssl.SSLContext | None:
        pool = self._client.connection_pool
        if not issubclass(pool.connection_class, SSLConnection):
            return None
        connection = pool.make_connection()  # type: ignore[no-untyped-call]
        return cast("SSLConnection", connection).ssl_context.get()

    def lost(self, line: "_Line") -> None:
        if line is self._line:
            self._cut("Redis does not answer (the connection was lost).")

    def _cut(self, reason: str) -> None:
        """Fails all commands that wait or are under way. Late answers on this connection are dropped."""
        line, self._line = self._line, None
        if line is not None:
            line.abort()
        commands = [*self._sent, *self._queue]
        self._sent.clear()
        self._queue.clear()
        self._teaching.clear()
        self._pipelines = 0
        for command in commands:
            if command.pipeline is not None:
                command.pipeline.deadline.cancel()
            self._settle(command, Unavailable(reason))


_AGAIN = object()


def _greeting(where: Mapping[str, Any]) -> list[Call]:
    calls: list[Call] = []
    if password := where.get("password"):
        user = where.get("username")
        calls.append(("AUTH", user, password) if user else ("AUTH", password))
    if database := int(where.get("db") or 0):
        calls.append(("SELECT", database))
    return calls


class _Line(asyncio.Protocol):
    """A connection. It reads the answers to its greeting itself and passes all others on."""

    def __init__(self, wire: Pipeline) -> None:
        self._wire = wire
        self._reader = hiredis.Reader(replyError=_Refused)
        self._transport: asyncio.Transport | None = None
        self._asked: asyncio.Future[Any] | None = None
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    async def ask(self, call: Call) -> None:
        self._asked = asyncio.get_running_loop().create_future()
        self.write(hiredis.pack_command(call))
        await self._asked

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
            while self._transport is not None and (answer := reader.gets()) is not False:
                if self._asked is None:
                    self._wire.arrived(answer)
                else:
                    self._take_own(answer)
        except hiredis.ProtocolError:
            self.abort()
            self._wire.lost(self)

    def _take_own(self, answer: Any) -> None:
        asked, self._asked = self._asked, None
        if asked is None or asked.done():
            return
        if isinstance(answer, _Refused):
            asked.set_exception(answer)
        else:
            asked.set_result(answer)

    def abort(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.closed.set()
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(ConnectionResetError("the connection was lost"))
        self._wire.lost(self)
