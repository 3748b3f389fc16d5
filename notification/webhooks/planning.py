"""Plans deliveries from events, each once.

The transaction of the inbox row stores an event that an endpoint may receive, and its deliveries if the
session's organizer is known. Only catalog knows the organizer, and a transaction must not wait for the
network. So the first events of a session wait for the router, which asks catalog once a session.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.concurrency.backoff import Backoff
from chassis.concurrency.rounds import repeat
from chassis.events.envelope import Event
from chassis.postgres.pool import Connection, Pool
from chassis.seam.client import ServiceClient
from contracts.catalog import SESSION_PATH, SessionTerms
from contracts.rehearsals import is_rehearsal
from notification.webhooks import store
from notification.webhooks.payloads import TOLD, told

SKEW_S = 900.0  # between the clocks of booking's database and ours (PROMISES, P9: ±10 min)
ROUTE_BATCH_MAX = 500
POLL_S = 0.5
RETRY = Backoff(first_s=0.5, most_s=15.0)


async def plan_deliveries(tx: Connection, events: Sequence[Event]) -> None:
    """Part of the inbox's `apply`. Costs one small query a batch if no endpoint subscribes."""
    types = {event.type for event in events} & TOLD.keys()
    heard = await store.heard_types(tx, sorted(types)) if types else set()
    if not heard:
        return
    about = [told(event) for event in events if event.type in heard]
    kept = await store.keep_events(tx, [one for one in about if not is_rehearsal(one.session_id)])
    if kept:
        await store.deliver_to_audience(tx, kept, skew_s=SKEW_S)


class Router:
    """Asks catalog for a session's organizer, and writes the deliveries that waited for it."""

    def __init__(self, pool: Pool, catalog: ServiceClient, log: Any) -> None:
        self._pool = pool
        self._catalog = catalog
        self._log = log

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; catalog being away is waited for."""

        def failed(failure: Exception, _failures: int) -> None:
            self._log.warning("webhook_routing_interrupted", reason=repr(failure))

        await repeat(
            self.round,
            stop,
            interval_s=lambda routed: POLL_S if routed < ROUTE_BATCH_MAX else 0.0,
            retry=RETRY,
            failed=failed,
        )

    async def round(self) -> int:
        """Routes waiting events and returns their number. Raises Unavailable if catalog does not answer, but
        only after the events of known sessions are routed."""
        waiting = await store.waiting_sessions(self._pool, limit=ROUTE_BATCH_MAX)
        if not waiting:
            return 0
        unknown = [session_id for session_id, known in waiting.items() if not known]
        asked = await asyncio.gather(*map(self._learn, unknown), return_exceptions=True)
        routed = await store.route_events(self._pool, limit=ROUTE_BATCH_MAX, skew_s=SKEW_S)
        for outcome in asked:
            if isinstance(outcome, BaseException):
                raise outcome
        return routed

    async def _learn(self, session_id: UUID) -> None:
        terms = await self._catalog.get(SESSION_PATH.format(session_id=session_id), SessionTerms)
        if terms is None:
            await store.forget_session(self._pool, session_id)
            self._log.warning("webhook_session_unknown", session=session_id)
        else:
            await store.learn_session(self._pool, session_id, terms.show_id, terms.organizer_id)
