"""Reports to Redis what this process has let in, and learns what all processes have let in.

Many buckets share a script call: entering Lua costs more than what the script does for a bucket.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from chassis.observability import logs
from chassis.redis.scripts import RedisCalls, Script
from chassis.redis.slots import Call
from gateway.protection.counts import Count, Counts
from gateway.protection.questions import AWAY_S, Questions

REPORT_INTERVAL_S = 0.02
BUCKETS_PER_SCRIPT = 100  # Redis serves nobody else meanwhile, 0.2 ms

Picked = Sequence[tuple[Count, int]]

log = logs.get("gateway")


class Reporting:
    """`soon()` after requests were let in: they are reported within REPORT_INTERVAL_S, all in one go."""

    def __init__(
        self, redis: RedisCalls, questions: Questions, counts: Counts, script: Script
    ) -> None:
        self._redis = redis
        self._questions = questions
        self._counts = counts
        self._script = script
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def soon(self, wait_s: float = REPORT_INTERVAL_S) -> None:
        if self._timer is None and self._task is None:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._begin)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """When left, reports the rest."""
        try:
            yield
        finally:
            if self._task is not None:
                await asyncio.wait((self._task,))
            if self._timer is not None:
                self._timer.cancel()
            await self._report()

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._report())
        self._task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        bug = task.exception() if not task.cancelled() else None
        if bug is not None:
            log.error("limits_not_reported", exc_info=bug)
        if self._counts.has_unreported:
            failed = bug is not None or self._questions.is_any_away
            self.soon(AWAY_S if failed else REPORT_INTERVAL_S)

    async def _report(self) -> None:
        """Afterwards each bucket's count is confirmed, or waits to be reported again."""
        picked = self._counts.pick_unreported()
        if not picked:
            return
        groups = self._grouped(picked)
        answers: list[Any] = [None] * len(groups)
        try:
            answers = await self._questions.ask([self._call(group) for group in groups])
        finally:
            now_s = time.monotonic()
            for group, answer in zip(groups, answers, strict=True):
                self._hear(group, answer, now_s)

    def _grouped(self, picked: Picked) -> list[Picked]:
        """By script call. A script may use one slot of a cluster, and a bucket has its own."""
        most = BUCKETS_PER_SCRIPT if self._redis.is_one_server else 1
        return [picked[start : start + most] for start in range(0, len(picked), most)]

    def _call(self, group: Picked) -> Call:
        keys = [count.bucket.key for count, _ in group]
        args: list[int] = []
        for count, reported in group:
            args += (count.bucket.policy.interval_us, count.bucket.policy.burst, reported)
        return self._script.call(keys, args)

    def _hear(self, group: Picked, answer: Any, now_s: float) -> None:
        if answer is None:
            for count, reported in group:
                self._counts.unanswered(count, reported, now_s)
            return
        if answer[0] != b"counted":
            raise LookupError(f"report.lua returned {answer[0]!r}, which is not in its header")
        for (count, reported), ahead_us in zip(group, answer[1:], strict=True):
            self._counts.confirmed(count, reported, ahead_us / 1_000_000, now_s)
