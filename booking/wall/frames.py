"""What the wall is sent, once a second. Everything in it knows how old it is."""

import msgspec

from booking.wall.rings import Points
from booking.wall.seats import SessionNow

Numbers = dict[str, float]


class SourceNow(msgspec.Struct, frozen=True, kw_only=True):
    """Processes that count together, on one machine. `late`: its rates are in no sum."""

    machine: str
    roles: list[str]
    processes: int
    age_s: float
    late: bool


class SessionsNow(msgspec.Struct, frozen=True, kw_only=True):
    """`left_out`: sessions beyond the bound. `age_s` is null until they have been counted once."""

    age_s: float | None
    sessions: list[SessionNow]
    left_out: int


class LeaderNow(msgspec.Struct, frozen=True, kw_only=True):
    """Gauges by name and labels, which one worker measures for everybody. `age_s` is null without one."""

    age_s: float | None
    gauges: dict[str, Numbers]


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One second.

    seq: ascends with time; the event's id. at: Unix seconds. interval_s: how long until the next one.
    rates: per second, over the last three seconds, by name. answers: seconds, of the last ten.
    sale: counts since `sale_since`, Unix seconds: the last opening of a sale, or when counting began.
    """

    seq: int
    at: float
    interval_s: float
    rates: Numbers
    answers: dict[str, float | None]
    sale_since: float
    sale: Numbers
    sums: Numbers
    seats: SessionsNow
    leader: LeaderNow
    sources: list[SourceNow]
    point: dict[str, float | None]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The points of the last hour and of the sale."""

    hour: Points
    sale: Points


class WallSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All that a page needs to begin. `frame` is null before the first one."""

    frame: Frame | None
    minute: Points
    hour: Points
    sale: Points
