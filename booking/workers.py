"""Booking's background loops. Any number of processes may run them at once.

Each loop does one round after the other; a round that fails is logged and tried again, later each
time, and never ends the loop. Every round has a request id of its own, so that what it causes can be
traced.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from booking.composition import Booking, opened
from booking.events.metrics import count_relayed
from booking.events.unfolding import ORDER_STEPS
from booking.measures import audit_pool, measures, measuring_pool
from booking.orders.expiry import complete_due_orders, sweep_orders
from booking.orders.store import prune_order_keys
from booking.providers.registry import run_background as run_provider
from booking.seats.loaded import list_loaded
from booking.seats.reconciler import RECONCILE_INTERVAL_S, Reconciler
from booking.seats.sweeper import Sweeper
from chassis.concurrency.backoff import Backoff
from chassis.concurrency.rounds import repeat
from chassis.context import CURRENT, RequestContext, new_request_id
from chassis.events.archive import forget
from chassis.events.relay import Relay
from chassis.http import idempotency
from chassis.observability import logs
from chassis.postgres.measuring import measure_as_leader
from chassis.postgres.pool import connection
from chassis.postgres.replicated import weak_commits
from chassis.problems import NotFound, Unavailable
from chassis.wiring import Wiring

log = logs.get("booking")

EXPIRE_INTERVAL_S = 0.5
SWEEP_INTERVAL_S = 0.5
PAYMENTS_INTERVAL_S = 2.0
COMPLETE_INTERVAL_S = 60.0
REFUNDS_INTERVAL_S = 0.5
# A batch of every session: tens of thousands of orders in minutes.
CANCELLED_SESSIONS_INTERVAL_S = 0.25
NO_CANCELLED_SESSION_INTERVAL_S = 1.0
PRUNE_INTERVAL_S = 3600.0
ARCHIVE_INTERVAL_S = 3600.0
WEAK_COMMITS_INTERVAL_S = 600.0  # a setting that a failover may change
RETRY = Backoff(first_s=0.5, most_s=5.0)

Round = Callable[[], Awaitable[object]]


async def run(wiring: Wiring, stop: asyncio.Event) -> None:
    """Runs until `stop`: relay, measuring, expiry, the seats' sweeper and reconciler, payments, refunds,
    completion."""
    async with (
        opened(wiring) as booking,
        measuring_pool(wiring) as measuring,
        audit_pool(wiring, measuring) as audited,
    ):
        kept_days = wiring.settings.event_archive_days
        relay = Relay(
            booking.pool,
            wiring.broker,
            source="booking",
            log=log,
            archive=kept_days > 0,
            count=count_relayed,
            unfolding=ORDER_STEPS,
            tracer=wiring.tracer,
        )
        sweeper = Sweeper(booking.holds)
        healing = _Healing(booking)
        await asyncio.gather(
            relay.run(stop),
            measure_as_leader(
                measuring,
                "booking",
                measures(booking, measuring, audited, wiring.settings),
                stop,
                log,
            ),
            run_provider(wiring, stop),
            repeat_traced(
                "expire", EXPIRE_INTERVAL_S, lambda: sweep_orders(booking.pool, booking.holds), stop
            ),
            repeat_traced("sweep", SWEEP_INTERVAL_S, sweeper.sweep_once, stop),
            repeat_traced("heal", RECONCILE_INTERVAL_S, healing.round, stop),
            repeat_traced("payments", PAYMENTS_INTERVAL_S, lambda: _settle_payments(booking), stop),
            repeat_traced("refunds", REFUNDS_INTERVAL_S, booking.refund_sending.send_all_due, stop),
            repeat_traced(
                "cancelled_sessions",
                lambda refunded: (
                    CANCELLED_SESSIONS_INTERVAL_S if refunded else NO_CANCELLED_SESSION_INTERVAL_S
                ),
                booking.session_cancelling.work_off,
                stop,
            ),
            repeat_traced(
                "weak_commits", WEAK_COMMITS_INTERVAL_S, lambda: warn_of_weak_commits(booking), stop
            ),
            repeat_traced("prune", PRUNE_INTERVAL_S, lambda: _prune(booking), stop),
            repeat_traced(
                "archive", ARCHIVE_INTERVAL_S, lambda: forget(booking.pool, kept_days), stop
            ),
            repeat_traced(
                "complete", COMPLETE_INTERVAL_S, lambda: complete_due_orders(booking.pool), stop
            ),
        )


async def warn_of_weak_commits(booking: Booking) -> None:
    """Orders are acknowledged all the same: how much may be lost is the operator's choice."""
    async with connection(booking.pool) as db:
        if (found := await weak_commits(db)) is not None:
            log.warning("acknowledged_orders_may_be_lost", synchronous_commit=found)


async def _prune(booking: Booking) -> None:
    async with connection(booking.pool) as db:
        await idempotency.prune_keys(db)
        await prune_order_keys(db)
    await booking.guesses.prune()


async def _settle_payments(booking: Booking) -> None:
    await booking.payments.reconcile()
    await booking.payments.refund_what_is_due()


class _Healing:
    """Reconciles Redis with PostgreSQL, session by session."""

    def __init__(self, booking: Booking) -> None:
        self._holds = booking.holds
        self._reconciler = Reconciler(booking.holds)

    async def round(self) -> None:
        loaded = await list_loaded(self._holds.calls)
        away: Unavailable | None = loaded.away
        for session_id in loaded.sessions:
            try:
                await self._reconciler.reconcile_once(session_id)
            except NotFound:  # no longer published; the sweeper drops it
                pass
            except Unavailable as failure:  # one node's sessions do not stop the others'
                away = failure
        if away is not None:
            raise away


async def repeat_traced(
    name: str, interval_s: float | Callable[[Any], float], one_round: Round, stop: asyncio.Event
) -> None:
    """interval_s: seconds, or what tells them from a round's result."""

    async def traced() -> object:
        CURRENT.set(RequestContext(f"{name}-{new_request_id()}"))
        return await one_round()

    def failed(failure: Exception, failures: int) -> None:
        log.warning("round_failed", loop=name, failures=failures, reason=repr(failure))

    await repeat(traced, stop, interval_s=interval_s, retry=RETRY, failed=failed)
