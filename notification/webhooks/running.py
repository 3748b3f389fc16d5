"""The background work of webhooks."""

import asyncio
from typing import Any

from chassis.seam.client import ServiceClient
from chassis.wiring import Wiring
from notification.webhooks.connecting import Addresses, Destinations
from notification.webhooks.dispatching import Dispatcher
from notification.webhooks.planning import Router
from notification.webhooks.posting import Poster

POOL_SIZE = 4  # for the router, for claiming and for marking


async def run_webhooks(wiring: Wiring, log: Any, stop: asyncio.Event) -> None:
    """Routes and sends until `stop`. Uses its own connections, so that slow receivers do not delay mails."""
    addresses = Addresses()
    pool = await wiring.open_pool("notification", size=POOL_SIZE)
    destinations = Destinations(addresses.look, allow_private=wiring.settings.webhook_allow_private)
    try:
        async with destinations.open_session() as session, asyncio.TaskGroup() as group:
            router = Router(pool, ServiceClient(wiring.upstreams.catalog), log)
            dispatcher = Dispatcher(pool, Poster(destinations, session), log, wiring.tracer)
            group.create_task(router.run(stop))
            group.create_task(dispatcher.run(stop))
    finally:
        await pool.close()
        addresses.close()
