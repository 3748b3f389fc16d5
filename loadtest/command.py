"""`stampede loadtest flash-sale`: the sale, against its own platform or a running one."""

import asyncio
import contextlib
from collections.abc import Iterator

from chassis.settings import Settings
from loadtest.flash_sale import Outcome, Say, allow_many_files, flash_sale, scratch_platform
from runtime.starting import StartError, attached


def run_flash_sale(
    running: Settings | None, *, users: int, tickets: int, flush_redis: bool, times: int, say: Say
) -> bool:
    """Runs the sales and prints the summary of each. True if every promise held in all of them."""
    allow_many_files()
    held = True
    with _platform(running, say) as platform:
        servers, loaded = attached(platform)
        if servers is not None:
            raise StartError("No platform runs on this data directory; start `stampede up` first.")
        for number in range(1, times + 1):
            say(f"\nFlash sale {number} of {times}")
            outcome = asyncio.run(
                flash_sale(loaded, users=users, tickets=tickets, flush_redis=flush_redis, say=say)
            )
            held = _report(outcome, say) and held
    return held


@contextlib.contextmanager
def _platform(running: Settings | None, say: Say) -> Iterator[Settings]:
    if running is not None:
        yield running
        return
    with scratch_platform(say) as loaded:
        yield loaded


def _report(outcome: Outcome, say: Say) -> bool:
    say("")
    for line in outcome.summary:
        say(f"  {line}")
    if not outcome.failures:
        say("  verified        every seat sold once, caps kept, no errors, Redis = PostgreSQL")
        return True
    for failure in outcome.failures:
        say(f"  FAILED          {failure}")
    return False
