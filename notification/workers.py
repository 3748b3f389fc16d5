"""Notification's background work: sends due messages and webhooks, and retries failed events."""

import asyncio
from typing import Any

from chassis.concurrency.backoff import Backoff
from chassis.concurrency.measuring import Measure, report_all
from chassis.concurrency.rounds import repeat
from chassis.events.inbox import Inbox
from chassis.observability import logs
from chassis.postgres.leadership import lead
from chassis.postgres.pool import Pool
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
POOL_SIZE = 7  # one for the lead of measuring; the messages of a batch are marked concurrently
MEASURE_INTERVAL_S = 5.0
RETRY = Backoff(first_s=0.5, most_s=5.0)


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
            group.create_task(_measure(pool, log, stop))
    finally:
        await pool.close()


async def _measure(pool: Pool, log: Any, stop: asyncio.Event) -> None:
    """What waits, shown by one process at a time."""
    measures = [
        Measure("messages", MEASURE_INTERVAL_S, lambda report: measure_messages(pool, report)),
        Measure("webhooks", MEASURE_INTERVAL_S, lambda report: measure_deliveries(pool, report)),
    ]

    async def one_round() -> None:
        await lead(pool, "measures of notification", lambda: report_all(measures, stop, log), stop)

    def failed(failure: Exception, _failures: int) -> None:
        log.warning("measuring_interrupted", reason=repr(failure))

    await repeat(one_round, stop, interval_s=0.0, retry=RETRY, failed=failed)
