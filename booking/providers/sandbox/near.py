"""Calls a sandbox of this process: the same bytes as over HTTP, without the ASGI between."""

import asyncio
import time

from booking.providers.sandbox.app import SILENCE_S, SandboxApp
from chassis.concurrency.deadlines import Deadlines
from chassis.context import current
from chassis.problems import Problem, Unavailable
from chassis.seam.client import ServiceClient, trace_call


class NearClient(ServiceClient):
    """As any ServiceClient. All calls have one deadline, so they share a timer."""

    def __init__(self, app: SandboxApp, *, deadline_s: float, stage: str) -> None:
        super().__init__(app, deadline_s=deadline_s, stage=stage)
        self._app = app
        self._deadlines = Deadlines(deadline_s)

    async def exchange(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> tuple[int, bytes]:
        """See ServiceClient. The sandbox reads no headers."""
        began_s = time.perf_counter()
        part = current().trace
        call_id = part.call_id if part is not None else 0
        status = 0
        bare, _, query = path.partition("?")
        try:
            with self._deadlines.within():
                answer = await self._app.answer(method, bare, query, body, _never_gone)
                status = 200
                return status, answer
        except Problem as problem:
            status = problem.status
            return status, problem.render(bare, current().request_id)
        except (TimeoutError, OSError) as late:
            raise Unavailable() from late
        finally:
            current().spend(self._stage, began_s)
            if part is not None:
                trace_call(part, call_id, f"{method} {path}", status, began_s)


async def _never_gone() -> None:
    """A caller of this process hangs up by being cancelled."""
    await asyncio.sleep(SILENCE_S)
