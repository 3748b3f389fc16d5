"""Notification's background work: sends due messages and webhooks, and retries failed events."""

import asyncio

from chassis.events.inbox import Inbox
from chassis.observability import logs
from chassis.seam.client import ServiceClient
from chassis.wiring import Wiring
from notification.composition import messages_at_once, open_channels
from notification.consumer import take_effect
from notification.messages.channels import sender_domain
from notification.messages.rendering import Renderer
from notification.messages.sending import Sender, accounts, links
from notification.webhooks.running import run_webhooks

NAME = "notification"
POOL_SIZE = 6  # the messages of a batch are marked concurrently


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
        )
        inbox = Inbox(pool, NAME, take_effect, log)
        async with asyncio.TaskGroup() as group:
            group.create_task(sender.run(stop))
            group.create_task(inbox.run(stop))
            group.create_task(run_webhooks(wiring, log, stop))
    finally:
        await pool.close()
