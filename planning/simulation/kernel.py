"""Queues: a calendar of events, cores that programs share, and stations that serve in rounds.

A station is one of our programs as it works: whatever waits when a round begins is taken together, what
comes meanwhile waits for the next one (docs/adr/0005).
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from random import Random

RATIO = math.log(1.02)  # a histogram's steps: percentiles are right within 2 %
SLICE_S = 0.01  # how long a program runs before the share of its cores is looked at again


class Calendar:
    """What happens when. Events of one instant happen in the order in which they were entered."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, when: float, act: Callable[[], None]) -> None:
        self.events += 1
        heapq.heappush(self._due, (max(when, self.now), self.events, act))

    def run(self, until: float) -> None:
        """Until nothing is due any more, or until then."""
        due = self._due
        while due and due[0][0] <= until:
            self.now, _, act = heapq.heappop(due)
            act()


def spread(
    random: Random, count: int, begin_s: float, end_s: float, slots_max: int
) -> Iterator[tuple[float, int]]:
    """So many over the time between, evenly, each part at a random moment of its own."""
    slots = min(count, slots_max)
    if slots <= 0:
        return
    width_s = max(0.0, end_s - begin_s) / slots
    each, rest = divmod(count, slots)
    for slot in range(slots):
        yield begin_s + (slot + random.random()) * width_s, each + (slot < rest)


class Cores:
    """Processors that the stations of one machine share. More threads than cores: all are slower."""

    def __init__(self, count: float) -> None:
        self.count = count
        self.busy = 0

    def stretch(self) -> float:
        return max(1.0, self.busy / self.count)


class Group:
    """So many people in the same state. `asked_at`: when they sent this request."""

    __slots__ = ("asked_at", "came_at", "count", "kind", "seats")

    def __init__(self, kind: str, count: int, asked_at: float, seats: int = 0) -> None:
        self.kind = kind
        self.count = count
        self.asked_at = asked_at
        self.came_at = asked_at
        self.seats = seats

    def split(self, count: int) -> "Group":
        """Takes so many out of this group."""
        seats = self.seats * count // self.count
        part = Group(self.kind, count, self.asked_at, seats)
        part.came_at = self.came_at
        self.count -= count
        self.seats -= seats
        return part


class Percentiles:
    """Durations in seconds, counted in steps of 2 %."""

    def __init__(self) -> None:
        self.count = 0
        self._steps: dict[int, int] = {}

    def add(self, seconds: float, count: int = 1) -> None:
        step = round(math.log(max(seconds, 1e-6)) / RATIO)
        self._steps[step] = self._steps.get(step, 0) + count
        self.count += count

    def at(self, percent: float) -> float:
        """0.0 if there are none."""
        wanted, passed = self.count * percent / 100, 0
        for step in sorted(self._steps):
            passed += self._steps[step]
            if passed >= wanted:
                return math.exp(step * RATIO)
        return 0.0


class Station:
    """A program with `servers` threads. `work(batch)` says the CPU seconds of a round and may change the
    groups; `done(batch)` gets them when it ends. `pause_s` passes after the work without a processor.
    `round_s`: rounds begin at least so far apart."""

    def __init__(
        self,
        calendar: Calendar,
        *,
        work: Callable[[list[Group]], float],
        done: Callable[[list[Group]], None],
        servers: int = 1,
        batch_max: int | None = None,
        pause_s: float = 0.0,
        round_s: float = 0.0,
        cores: Cores | None = None,
    ) -> None:
        self._calendar = calendar
        self._work, self._done = work, done
        self.servers, self._batch_max = servers, batch_max
        self._pause_s, self._round_s = pause_s, round_s
        self._cores = cores
        self._queue: deque[Group] = deque()
        self._waiting = 0
        self._running = False
        self._began_at = -math.inf
        self.busy_s = 0.0  # CPU seconds
        self.most = 0  # in the station at once, waiting or served
        self._inside = 0
        self.area_s = 0.0  # how many were in the station, over time (Little's L × T)
        self._since = 0.0
        self.served = 0
        self.spent_s = 0.0  # seconds of each who was served, added up (λ × W × T)
        self.last_round_s = 0.0

    def arrive(self, group: Group) -> None:
        group.came_at = self._calendar.now
        self._count(group.count)
        self._waiting += group.count
        self._queue.append(group)
        self._wake()

    def _count(self, change: int) -> None:
        now = self._calendar.now
        self.area_s += self._inside * (now - self._since)
        self._since = now
        self._inside += change
        self.most = max(self.most, self._inside)

    def _wake(self) -> None:
        if not self._running:
            self._running = True
            self._calendar.at(self._began_at + self._round_s, self._begin)

    def _begin(self) -> None:
        batch = self._take()
        self._began_at = self._calendar.now
        count = sum(group.count for group in batch)
        work_s = self._work(batch)
        self.busy_s += work_s
        threads = max(1, min(self.servers, count))
        if self._cores is not None:
            self._cores.busy += threads
        self._run(batch, work_s / threads, threads)

    def _run(self, batch: list[Group], left_s: float, threads: int) -> None:
        """A round by slices, because others come and go on the same cores."""
        calendar = self._calendar
        if self._cores is None:
            calendar.at(calendar.now + left_s, lambda: self._worked(batch, threads))
            return
        part_s = min(left_s, SLICE_S)
        ends_at = calendar.now + part_s * self._cores.stretch()
        if part_s < left_s:
            calendar.at(ends_at, lambda: self._run(batch, left_s - part_s, threads))
        else:
            calendar.at(ends_at, lambda: self._worked(batch, threads))

    def _worked(self, batch: list[Group], threads: int) -> None:
        if self._cores is not None:
            self._cores.busy -= threads
        if self._pause_s:
            self._calendar.at(self._calendar.now + self._pause_s, lambda: self._end(batch))
        else:
            self._end(batch)

    def _end(self, batch: list[Group]) -> None:
        now = self._calendar.now
        self.last_round_s = now - self._began_at
        count = sum(group.count for group in batch)
        self._count(-count)
        self.served += count
        self.spent_s += sum(group.count * (now - group.came_at) for group in batch)
        self._running = False
        self._done(batch)
        if self._queue:
            self._wake()

    def _take(self) -> list[Group]:
        if self._batch_max is None or self._waiting <= self._batch_max:
            batch = list(self._queue)
            self._queue.clear()
            self._waiting = 0
            return batch
        batch, room = [], self._batch_max
        while room:
            first = self._queue[0]
            part = self._queue.popleft() if first.count <= room else first.split(room)
            batch.append(part)
            room -= part.count
        self._waiting -= self._batch_max
        return batch
