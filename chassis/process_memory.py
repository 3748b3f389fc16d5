"""The garbage collector's share of a server process."""

import gc

YOUNG_MAX = 20_000  # containers made before it looks: a batch of events or orders, not 700 of it


def settle_memory() -> None:
    """Once a process has loaded its code: what is there now stays for its life, so no collection
    walks it again, and collections come once a batch. Call it at the end of a start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, 20, 20)
