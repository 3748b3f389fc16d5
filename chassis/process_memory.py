"""Garbage collection settings for a server process."""

import gc

# objects created before a collection: a batch of events or orders, instead of 700
YOUNG_MAX = 20_000


def settle_memory() -> None:
    """Call it at the end of a start, when all code is loaded. Objects that exist now are never collected,
    and collections run about once per batch."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, 20, 20)
