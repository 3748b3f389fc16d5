"""Rate limits in tests: processes that share a store, with every message between them in the test's hands."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from gateway.protection.counts import Count, Counts
from gateway.protection.limits import Bucket, Policy


@dataclass
class DictStore:
    """What gcra.lua and report.lua do with one bucket, in Python, on a clock that the test sets."""

    policy: Policy
    arrival_s: float = 0.0
    counted: int = 0

    def report(self, now_s: float, requests: int) -> float:
        """How far ahead the bucket is afterwards."""
        self.counted += requests
        self.arrival_s = max(self.arrival_s, now_s) + requests / self.policy.rate
        return self.arrival_s - now_s

    def take(self, now_s: float, reported: int) -> tuple[bool, float]:
        ahead_s = self.report(now_s, reported)
        allowed = ahead_s + 1 / self.policy.rate <= self.policy.burst / self.policy.rate + 1e-9
        return allowed, self.report(now_s, 1) if allowed else ahead_s


@dataclass
class Message:
    """From a process to the store, and back. `ahead_s` is the answer."""

    kind: Literal["report", "ask"]
    picked: list[tuple[Count, int]]
    ahead_s: float | None = None


@dataclass
class Process:
    """A process's counts of one bucket, and its messages in their order."""

    bucket: Bucket
    store: DictStore
    let_in: Callable[[], object]  # called when a request is let in
    counts: Counts = field(default_factory=Counts)
    sent: deque[Message] = field(default_factory=deque)
    answered: deque[Message] = field(default_factory=deque)

    def take(self, now_s: float) -> None:
        standing = self.counts.take(self.bucket, now_s)
        if standing is None:
            self.sent.append(Message("ask", [self.counts.pick(self.bucket, now_s)]))
        elif standing.again_in_ms is None:
            self.let_in()

    def report(self) -> None:
        picked = self.counts.pick_unreported()
        if picked:
            self.sent.append(Message("report", picked))

    def arrive(self, now_s: float) -> None:
        """The store reads the next message."""
        if not self.sent:
            return
        message = self.sent.popleft()
        ((_, reported),) = message.picked
        if message.kind == "report":
            message.ahead_s = self.store.report(now_s, reported)
        else:
            allowed, message.ahead_s = self.store.take(now_s, reported)
            if allowed:
                self.let_in()
        self.answered.append(message)

    def hear(self, now_s: float) -> None:
        """The process reads the next answer."""
        if not self.answered:
            return
        message = self.answered.popleft()
        assert message.ahead_s is not None
        for count, reported in message.picked:
            self.counts.confirmed(count, reported, message.ahead_s, now_s)
        self.counts.forget_full(4, now_s)

    def settle(self, now_s: float) -> None:
        """Nothing is unreported or under way afterwards."""
        self.report()
        while self.sent:
            self.arrive(now_s)
        while self.answered:
            self.hear(now_s)
