"""A request's trace, read from this machine's log files by `stampede trace` in a process of its own.

So reading costs the sale no memory and little CPU: the process has the lowest priority, ends after
READ_WITHIN_S, and there is one at a time. An answer is kept for a moment. Where services run on several
machines, or without log files, a log store has the lines; then the answer says which command reads its
export.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from booking.operations.wire import RecentTrace, RecentTraces, TraceAnswer
from chassis.concurrency.cache import FetchOnce
from chassis.observability import logs
from chassis.problems import Overloaded

READ_WITHIN_S = 10.0
KEPT_S = 5.0
KEPT_MAX = 20
WAITING_MAX = 4  # operators who wait for the reader; more get 503
COMMAND = (sys.executable, "-m", "stampede", "trace")
NICEST = 19
NOTHING_FOUND = 3  # the reader's exit code

log = logs.get("booking")


class Traces:
    """folder: of the log files; None if this installation writes none."""

    def __init__(
        self,
        folder: Path | None,
        *,
        command: Sequence[str] = COMMAND,
        within_s: float = READ_WITHIN_S,
    ) -> None:
        self._within_s = within_s
        self._folder = folder
        self._command = command
        self._reading = asyncio.Lock()
        self._waiting = 0
        self._listed: FetchOnce[str, RecentTraces] = FetchOnce(
            self._wait_and_list, ttl_s=KEPT_S, entries_max=1
        )
        self._kept: FetchOnce[str, TraceAnswer] = FetchOnce(
            self._wait_and_read, ttl_s=KEPT_S, entries_max=KEPT_MAX
        )

    async def trace(self, request_id: str) -> TraceAnswer:
        """request_id: of the form that requests have. Raises Overloaded."""
        if self._folder is None or not any(self._folder.glob("*.log*")):
            return _without(request_id, "this machine has no log files")
        return await self._kept.get(request_id)

    async def recent(self) -> RecentTraces:
        """Requests that failed or were slow lately. Raises Overloaded."""
        if self._folder is None or not any(self._folder.glob("*.log*")):
            return RecentTraces(items=[], not_available="this machine has no log files")
        return await self._listed.get("")

    async def _wait_and_read(self, request_id: str) -> TraceAnswer:
        async with self._turn():
            return await self._read(request_id)

    async def _wait_and_list(self, _: str) -> RecentTraces:
        async with self._turn():
            code, told = await self._run("--recent", "--json", "--", str(self._folder))
        if code is None:
            return RecentTraces(items=[], not_available="the logs could not be read in time")
        if code:
            return RecentTraces(items=[], not_available="the logs could not be read")
        return RecentTraces(items=msgspec.json.decode(told, type=list[RecentTrace]))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING_MAX:
            raise Overloaded("Other traces are being read.")
        self._waiting += 1
        try:
            async with self._reading:
                yield
        finally:
            self._waiting -= 1

    async def _read(self, request_id: str) -> TraceAnswer:
        code, told = await self._run("--json", "--", request_id, str(self._folder))
        if code is None:
            return _without(request_id, "the logs are too long to be read in time")
        if code == NOTHING_FOUND:
            return _without(request_id, "no log line on this machine has this request id")
        if code:
            log.error("trace_not_read", asked=request_id, code=code)
            return _without(request_id, "the logs of this machine could not be read")
        return msgspec.json.decode(told, type=TraceAnswer)

    async def _run(self, *arguments: str) -> tuple[int | None, bytes]:
        """The reader's exit code and what it printed. None: it took too long."""
        reader = await asyncio.create_subprocess_exec(
            *(*self._command, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            with suppress(ProcessLookupError):  # it has ended already
                os.setpriority(os.PRIO_PROCESS, reader.pid, NICEST)
            async with asyncio.timeout(self._within_s):
                told, _ = await reader.communicate()
        except TimeoutError:
            return None, b""
        finally:
            if reader.returncode is None:
                reader.kill()
                await reader.wait()
        return reader.returncode, told


def _without(request_id: str, reason: str) -> TraceAnswer:
    command = f"`stampede trace {request_id} -` reads a log store's export from standard input"
    return TraceAnswer(
        request_id=request_id,
        order_no=None,
        complete=False,
        spans=[],
        not_available=f"{reason}; {command}",
    )
