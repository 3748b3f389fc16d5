"""A request's trace, read from this machine's log files by `stampede trace` in a process of its own.

So reading costs the sale no memory and little CPU: the process has the lowest priority, ends after
READ_WITHIN_S, and there is one at a time. An answer is kept for a moment. Where services run on several
machines, or without log files, a log store has the lines; then the answer says which command reads its
export.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from booking.operations.wire import TraceAnswer
from chassis.concurrency.cache import FetchOnce
from chassis.problems import Overloaded

READ_WITHIN_S = 10.0
KEPT_S = 5.0
KEPT_MAX = 20
WAITING_MAX = 4  # operators who wait for the reader; more get 503
COMMAND = (sys.executable, "-m", "stampede", "trace")
NICEST = 19


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
        self._kept: FetchOnce[str, TraceAnswer] = FetchOnce(
            self._wait_and_read, ttl_s=KEPT_S, entries_max=KEPT_MAX
        )

    async def trace(self, request_id: str) -> TraceAnswer:
        """request_id: of the form that requests have. Raises Overloaded."""
        if self._folder is None or not any(self._folder.glob("*.log*")):
            return _without(request_id, "this machine has no log files")
        return await self._kept.get(request_id)

    async def _wait_and_read(self, request_id: str) -> TraceAnswer:
        if self._waiting >= WAITING_MAX:
            raise Overloaded("Other traces are being read.")
        self._waiting += 1
        try:
            async with self._reading:
                return await self._read(request_id)
        finally:
            self._waiting -= 1

    async def _read(self, request_id: str) -> TraceAnswer:
        reader = await asyncio.create_subprocess_exec(
            *(*self._command, "--json", "--", request_id, str(self._folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        os.setpriority(os.PRIO_PROCESS, reader.pid, NICEST)
        try:
            async with asyncio.timeout(self._within_s):
                told, _ = await reader.communicate()
        except TimeoutError:
            return _without(request_id, "the logs are too long to be read in time")
        finally:
            if reader.returncode is None:
                reader.kill()
                await reader.wait()
        if reader.returncode:
            return _without(request_id, "no log line on this machine has this request id")
        return msgspec.json.decode(told, type=TraceAnswer)


def _without(request_id: str, reason: str) -> TraceAnswer:
    command = f"`stampede trace {request_id} -` reads a log store's export from standard input"
    return TraceAnswer(
        request_id=request_id,
        order_no=None,
        complete=False,
        spans=[],
        not_available=f"{reason}; {command}",
    )
