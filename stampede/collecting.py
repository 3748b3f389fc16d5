"""The garbage collector's pace in a process that serves.

By default CPython looks through its young objects after every 700 allocations and, now and then,
through all of them; a request allocates some hundreds, so the collector alone took an eighth of an
order's time. What a start has built is never garbage and need not be looked through again.
"""

import gc

YOUNG_MAX = 20_000  # container objects allocated, less those freed, before the young are looked at
ROUNDS = (50, 100)  # rounds of the young before the middle ones, and of those before all


def settle_down() -> None:
    """Call it once everything is built: before the first request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, *ROUNDS)
