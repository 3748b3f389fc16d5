"""Follows a request, or an order, through the logs to its end.

A request names orders, payments and refunds. Whatever names one of them belongs to the story: the late
payment, the callback, the refund, and the mails of each. So the logs are searched for the request's id, then
for what its lines name, then for what those lines name, until nothing new is found.

Clocks of several machines differ. Where a cause is known, it decides the order: a call comes before what it
calls, an order's creation before its payment, and PostgreSQL's history, where it is known, before all. A line
whose clock cannot be right beside these is marked.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from runtime.operations.trace_files import Sources
from runtime.operations.trace_lines import Line, parse

LINES_MAX = 20_000  # kept in memory, of all requests of a story together
REQUESTS_MAX = 200
ORDERS_MAX = 20  # a request that names more is not one order's story
SEARCHES_MAX = 6  # each reads everything once
TOLERANCE_S = 1.5  # text lines have whole seconds
# Of what happens to one order, what comes after what.
STEPS = {
    "order_created": 0,
    "payment_unanswered": 1,
    "payment_processing": 1,
    "order_paid": 2,
    "refund_requested": 3,
    "refund_approved": 4,
    "refund_succeeded": 5,
    "refund_failed": 5,
}
_READS = ("GET", "HEAD", "OPTIONS")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is searched for. `requests`: ids as logs show them, the asked one or those of an order's history,
    in the order in which they happened. `things`: ids of orders, payments and refunds. `whole`: every line
    of the requests counts, not only what is about these things."""

    requests: list[str] = []
    whole: bool = True
    things: list[str] = []
    order_no: str = ""


class Group(msgspec.Struct, frozen=True):
    """Everything of one request id, and when it began and ended by its own lines."""

    request_id: str
    lines: list[Line]
    about: str  # why it belongs here; "" for what was asked for
    first_s: float
    last_s: float


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """`clocks`: by a line's `order`, how many seconds its clock is ahead (or behind, below zero).
    `reads`: requests that only read one of the things, which are left out. `is_cut`: there was more."""

    groups: list[Group]
    clocks: dict[int, float]
    reads: int = 0
    is_cut: bool = False

    @property
    def lines(self) -> list[Line]:
        return [line for group in self.groups for line in group.lines]


class _Search:
    def __init__(self, sources: Sources, wanted: Wanted) -> None:
        self._sources = sources
        self._asked = set(wanted.requests) if wanted.whole else set()
        self._order_no = wanted.order_no
        self.requests: dict[str, str] = dict.fromkeys(wanted.requests, "")
        self.things: set[str] = set(wanted.things)
        self.orders: set[str] = set()
        self.lines: dict[tuple[int, int], Line] = {}
        self.reads: set[str] = set()
        self.is_cut = False
        self._searched: set[str] = set()

    def run(self) -> None:
        for _ in range(SEARCHES_MAX):
            wanted = {*self.requests, *self.things, self._order_no} - self._searched - {""}
            if not wanted:
                return
            self._searched |= wanted
            found = self._sources.find([one.encode() for one in sorted(wanted)])
            for place, raw in found:
                line = None if place in self.lines else parse(raw.decode("utf-8", "replace"))
                if line is not None:
                    self._take(place, line)
            self._learn()

    def _take(self, place: tuple[int, int], line: Line) -> None:
        if line.request_id not in self.requests:
            if not self._names_ours(line):
                return
            if line.event in _READS:
                self.reads.add(line.request_id)
                return
        if len(self.lines) >= LINES_MAX:
            self.is_cut = True
            return
        self.lines[place] = msgspec.structs.replace(line, order=len(self.lines))

    def _names_ours(self, line: Line) -> bool:
        named = {one for kind in line.things.values() for one in kind}
        return bool(named & self.things) or self._has_number(line)

    def _has_number(self, line: Line) -> bool:
        return bool(self._order_no) and line.fields.get("order_no") == self._order_no

    def _learn(self) -> None:
        """From lines that are ours: what else they name, and whose requests they are."""
        asked = [line for line in self.lines.values() if line.request_id in self._asked]
        orders = {one for line in asked for one in line.things.get("order", ())}
        if len(orders) <= ORDERS_MAX:
            self.orders |= orders
            for line in asked:
                self.things |= {one for kind in line.things.values() for one in kind}
        for line in list(self.lines.values()):
            if not self._names_ours(line):
                continue
            mine = line.things
            if line.request_id in self._asked and len(orders) > ORDERS_MAX:
                continue
            self.orders |= mine.get("order", set())
            self.things |= {one for kind in mine.values() for one in kind}
            if line.request_id not in self.requests and line.request_id != "-":
                if len(self.requests) >= REQUESTS_MAX:
                    self.is_cut = True
                    continue
                kind, one = next((k, sorted(v)[0]) for k, v in mine.items())
                self.requests[line.request_id] = f"{kind} {one}"

    def groups(self) -> Iterator[Group]:
        by_request: dict[str, list[Line]] = {}
        for line in sorted(self.lines.values(), key=lambda one: one.order):
            by_request.setdefault(line.request_id, []).append(line)
        for request_id, lines in by_request.items():
            mine = lines
            if request_id not in self._asked:
                mine = list(self._of_this_story(lines))
            if mine:
                yield Group(request_id, mine, self.requests.get(request_id, ""), *_times(mine))

    def _of_this_story(self, lines: Sequence[Line]) -> Iterator[Line]:
        """A round of the background touches many orders: of it, only what is about ours."""
        named = {one for line in lines for one in line.things.get("order", ())}
        only_ours = named <= self.orders
        for line in lines:
            nothing = not line.things
            if self._names_ours(line) or (nothing and (only_ours or line.is_request)):
                yield line


def follow(sources: Sources, wanted: Wanted) -> Story:
    """Raises TraceError if something cannot be read."""
    search = _Search(sources, wanted)
    search.run()
    clocks: dict[int, float] = {}
    groups = list(search.groups())
    for group in groups:
        clocks |= dict(_clocks_within(group))
    ordered = _by_cause(groups, wanted.requests, clocks)
    reads = len(search.reads - {group.request_id for group in groups})
    return Story(groups=ordered, clocks=clocks, reads=reads, is_cut=search.is_cut)


def began_s(line: Line) -> float | None:
    at_s = line.at_s
    return None if at_s is None else at_s - (line.duration_ms or 0.0) / 1000


def _times(lines: Sequence[Line]) -> tuple[float, float]:
    inside = [line for line in lines if line.is_request] or list(lines)
    starts = [one for line in inside if (one := began_s(line)) is not None]
    ends = [one for line in inside if (one := line.at_s) is not None]
    return min(starts, default=0.0), max(ends, default=0.0)


def _clocks_within(group: Group) -> Iterator[tuple[int, float]]:
    """A call lies within its caller's time, and what came of a request after its beginning."""
    callers: dict[str, tuple[float, float]] = {}
    first: float | None = None
    for line in group.lines:
        start, end = began_s(line), line.at_s
        if line.span == line.root and line.is_request and start is not None and end is not None:
            callers[line.root] = (start, end)
            first = start if first is None else min(first, start)
    for line in group.lines:
        at_s = line.at_s
        if at_s is None:
            continue
        if line.root in callers and line.span != line.root:
            start, end = callers[line.root]
            off = _outside(at_s, start, end)
        elif not line.is_request and first is not None:
            off = _outside(at_s, first, at_s)
        else:
            continue
        if off:
            yield line.order, off


def _outside(at_s: float, start: float, end: float) -> float:
    """Seconds ahead of the end, or behind the start, beyond what rounding explains."""
    if at_s > end + TOLERANCE_S:
        return at_s - end
    if at_s < start - TOLERANCE_S:
        return at_s - start
    return 0.0


def _by_cause(
    groups: Sequence[Group], history: Sequence[str], clocks: dict[int, float]
) -> list[Group]:
    """By time, but nothing before its cause. Marks the lines of a group whose clock says otherwise."""
    places = {request_id: number for number, request_id in enumerate(history)}
    effective: dict[str, float] = {}
    for group in sorted(groups, key=lambda one: _step(one, places)):
        earlier = [one for one in groups if _comes_before(one, group, places)]
        at_s = group.first_s
        for cause in earlier:
            at_s = max(at_s, effective.get(cause.request_id, cause.first_s))
            clocks.update(_before(cause, group))
        effective[group.request_id] = at_s
    return sorted(
        groups, key=lambda one: (effective[one.request_id], _step(one, places), one.first_s)
    )


def _before(cause: Group, group: Group) -> Iterator[tuple[int, float]]:
    """Lines of a group that bear a time before its cause began: a step of the order, or all of them."""
    all_early = group.last_s < cause.first_s - TOLERANCE_S
    for line in group.lines:
        at_s = line.at_s
        if at_s is None or at_s >= cause.first_s - TOLERANCE_S:
            continue
        if all_early or line.event in STEPS:
            yield line.order, at_s - cause.first_s


def _steps(group: Group) -> list[int]:
    return [STEPS[line.event] for line in group.lines if line.event in STEPS]


def _step(group: Group, places: dict[str, int]) -> tuple[int, int]:
    """Causes sort first: by PostgreSQL's history, then by the steps of an order."""
    steps = _steps(group)
    number = places.get(group.request_id, len(places)) if len(places) > 1 else 0
    return number, min(steps) if steps else len(STEPS)


def _comes_before(one: Group, other: Group, places: dict[str, int]) -> bool:
    if one is other:
        return False
    if len(places) > 1 and one.request_id in places and other.request_id in places:
        return places[one.request_id] < places[other.request_id]
    mine, others = _steps(one), _steps(other)
    if mine and min(mine) == 0:
        return 0 not in others
    return bool(mine and others) and max(mine) < min(others)


def distinct(request_ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(request_ids))
