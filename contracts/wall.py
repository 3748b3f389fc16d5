"""What the processes of a machine tell the wall about themselves, and where in Redis it lies.

All keys share a hash tag, so they are on one node of a cluster. Losing them loses the wall's history and
nothing else.
"""

import msgspec

SOURCES_KEY = "sources:{wall}"  # hash: source → Digest as JSON
WATCHED_KEY = "watched:{wall}"  # there while somebody watches
LEASE_KEY = "collector:{wall}"  # the process that adds up
FRAME_KEY = "frame:{wall}"  # the last frame, as it is sent to those who watch
MINUTE_KEY = "minute:{wall}"  # the points of the last minute
RINGS_KEY = "rings:{wall}"  # the points of the last hour and of the sale
STATE_KEY = "state:{wall}"  # what the next collector goes on from

WATCHED_INTERVAL_S = 1.0  # between two digests while somebody watches
UNWATCHED_INTERVAL_S = 10.0
WATCHED_TTL_S = 5
SOURCES_TTL_S = 600
SOURCES_MAX = 500

# Upper bounds in seconds of the gateway's buckets, by which digests count answers; the last one is open.
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the processes that count together.

    at_s: on the source's own monotonic clock, so that rates need no common time.
    counters: since the source began; they only grow.
    buckets: answers by duration, one number for each of BOUNDS_S and one for longer ones; they only grow.
    gauges: by name and labels, of what a leader measures for everybody. sums: what adds up over machines.
    """

    machine: str
    roles: list[str]
    at_s: float
    processes: int
    counters: dict[str, float]
    buckets: dict[str, list[float]]
    gauges: dict[str, dict[str, float]]
    sums: dict[str, float]
