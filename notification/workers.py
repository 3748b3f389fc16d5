"""Notification's background work: sends due messages and webhooks, and retries failed events."""

import asyncio
from typing import Any

from chassis.concurrency.measuring import Measure
from chassis.events.inbox import Inbox
from chassis.observability import logs
from chassis.postgres.measuring import measure_as_leader
from chassis.seam.client import ServiceClient
from chassis.wiring import Wiring
from notification.composition import messages_at_once, open_channels
from notification.consumer import take_effect
from notification.messages.channels import sender_domain
from notification.messages.measuring import measure_messages
from notification.messages.rendering import Renderer
from notification.messages.sending import Sender, accounts, links
from notification.webhooks.measuring import measure_deliveries
from notification.webhooks.running import run_webhooks

NAME = "notification"
POOL_SIZE = 6  # the messages of a batch are marked concurrently
MEASURING_POOL_SIZE = 2  # the lead's connection, and one to measure with
MEASURE_INTERVAL_S = 5.0


async def run(wiring: Wiring, stop: asyncio.Event) -> None:
    """Runs until `stop`. Any number of processes may run this; a message has one sender at a time."""
    log = logs.get(NAME)
    pool = await wiring.open_pool(NAME, size=POOL_SIZE)
    try:
        identity = ServiceClient(wiring.upstreams.identity)
        sender = Sender(
            pool,
            open_channels(wiring.settings, pool),
            Renderer(wiring.settings.base_url, wiring.settings.default_language),
            accounts(identity),
            log,
            make_link=links(identity),
            header_domain=sender_domain(wiring.settings.mail_from),
            at_once=messages_at_once(wiring.settings),
            tracer=wiring.tracer,
        )
        inbox = Inbox(pool, NAME, take_effect, log)
        async with asyncio.TaskGroup() as group:
            group.create_task(sender.run(stop))
            group.create_task(inbox.run(stop))
            group.create_task(run_webhooks(wiring, log, stop))
            group.create_task(_measure(wiring, log, stop))
    finally:
        await pool.close()


async def _measure(wiring: Wiring, log: Any, stop: asyncio.Event) -> None:
    """What waits, shown by one process at a time."""
    pool = await wiring.open_pool(NAME, size=MEASURING_POOL_SIZE)
    measures = [
        Measure("messages", MEASURE_INTERVAL_S, lambda report: measure_messages(pool, report)),
        Measure("webhooks", MEASURE_INTERVAL_S, lambda report: measure_deliveries(pool, report)),
    ]
    try:
        await measure_as_leader(pool, NAME, measures, stop, log)
    finally:
        await pool.close()
