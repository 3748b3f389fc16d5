"""Points of the last minute, the last hour and the sale: three rings with a bound each."""

from collections.abc import Mapping, Sequence

import msgspec

SERIES = (
    *("arrivals", "admitted", "limited", "shed", "failed"),
    *("holds", "orders", "paid", "refused"),
    *("p50_s", "p99_s", "orders_p50_s", "orders_p99_s"),
)
MINUTE_S, HOUR_S = 60.0, 3600.0
WORST = frozenset({"p99_s", "orders_p99_s"})  # of a step the worst, not the mean

Values = Mapping[str, float | None]


class Points(msgspec.Struct, kw_only=True):
    """`at`: when each step began, in Unix seconds, ascending. Each series has a value a step."""

    step_s: float
    at: list[float] = []
    series: dict[str, list[float | None]] = {}


class Ring:
    """`add` means over each step. When it is full, the oldest goes; `stretches`: two steps become one."""

    def __init__(
        self, step_s: float, size: int, *, stretches: bool = False, points: Points | None = None
    ) -> None:
        self._size, self._stretches = size, stretches
        self.points = points or Points(step_s=step_s, series={name: [] for name in SERIES})
        for name in SERIES:  # one that a later version has added
            self.points.series.setdefault(name, [None] * len(self.points.at))
        self._step_at: float | None = None
        self._waiting: list[Values] = []

    def add(self, at: float, values: Values) -> None:
        step_at = at - at % self.points.step_s
        if self._step_at is not None and step_at != self._step_at:
            self._close()
            step_at = at - at % self.points.step_s  # it may have been stretched
        self._step_at = step_at
        self._waiting.append(values)

    def forget_before(self, at: float) -> None:
        points = self.points
        kept = next(
            (n for n, one in enumerate(points.at) if one + points.step_s > at), len(points.at)
        )
        _drop(points, kept)

    def _close(self) -> None:
        assert self._step_at is not None
        points = self.points
        if (
            points.at and points.at[-1] == self._step_at
        ):  # its first part, from before it was stretched
            last = {name: values.pop() for name, values in points.series.items()}
            self._waiting.append(last)
            points.at.pop()
        points.at.append(self._step_at)
        for name in SERIES:
            seen = [value for one in self._waiting if (value := one.get(name)) is not None]
            points.series[name].append(_one_of(name, seen))
        self._waiting.clear()
        if len(points.at) > self._size:
            if self._stretches:
                _halve(points)
            else:
                _drop(points, len(points.at) - self._size)


def _one_of(name: str, values: Sequence[float]) -> float | None:
    if not values:
        return None
    return round(max(values) if name in WORST else sum(values) / len(values), 4)


def _drop(points: Points, count: int) -> None:
    del points.at[:count]
    for values in points.series.values():
        del values[:count]


def _halve(points: Points) -> None:
    """Steps that fall into one of twice the length become it."""
    points.step_s *= 2
    groups: dict[float, list[int]] = {}
    for place, at in enumerate(points.at):
        groups.setdefault(at - at % points.step_s, []).append(place)
    points.at = list(groups)
    for name, values in points.series.items():
        points.series[name] = [
            _one_of(name, [value for n in places if (value := values[n]) is not None])
            for places in groups.values()
        ]


class Rings:
    """All three."""

    def __init__(self, hour: Points | None = None, sale: Points | None = None) -> None:
        self.minute = Ring(1.0, 60)
        self.hour = Ring(10.0, 360, points=hour)
        self.sale = Ring(10.0, 360, stretches=True, points=sale)

    def add(self, at: float, values: Values) -> None:
        for ring in (self.minute, self.hour, self.sale):
            ring.add(at, values)
        self.minute.forget_before(at - MINUTE_S)
        self.hour.forget_before(at - HOUR_S)
