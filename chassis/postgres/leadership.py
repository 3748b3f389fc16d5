"""Leadership: only the holder of a session-level advisory lock does certain work.

The lock lives as long as its connection, so a dead process loses it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from chassis.concurrency.backoff import pause
from chassis.postgres.pool import Connection, Pool, load_queries, own_session
from chassis.problems import Unavailable

TRY_INTERVAL_S = 0.5

_sql = load_queries(Path(__file__).parent / "sql" / "lead.sql")


async def lead(
    pool: Pool, name: str, work: Callable[[], Awaitable[None]], stop: asyncio.Event
) -> None:
    """Waits until nobody else leads `name`, then runs `work()`. Otherwise like `lead_by`."""
    await lead_by(pool, lambda held: _sql.try_lead(held, name=name), lambda _: work(), stop)


async def lead_by(
    pool: Pool,
    try_lead: Callable[[Connection], Awaitable[bool]],
    work: Callable[[Connection], Awaitable[None]],
    stop: asyncio.Event,
) -> None:
    """Waits until `try_lead(held)` gets its lock, then runs `work(held)` to its end.

    held: the connection that has the lock; `work` may use it. Returns early if `stop` is set while
    waiting. `work` watches `stop` itself. Cancels `work` and raises Unavailable once another process may
    hold the lock.
    """
    async with own_session(pool) as db:
        while not await try_lead(db):
            if await pause(stop, TRY_INTERVAL_S):
                return
        working = asyncio.ensure_future(work(db))

        def lost(_: Any) -> None:
            working.cancel()  # another process may lead from now on

        db.add_termination_listener(lost)
        try:
            await asyncio.wait([working])
            if working.cancelled():
                raise Unavailable("The connection that held the lead was lost.")
            working.result()
        finally:
            db.remove_termination_listener(lost)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
