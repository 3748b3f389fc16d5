"""What an event does here, whoever is told of it: one transaction with its inbox row."""

from collections.abc import Sequence

from chassis.events.envelope import Event
from chassis.postgres.pool import Connection
from notification.messages.planning import plan_messages
from notification.webhooks.planning import plan_deliveries


async def take_effect(tx: Connection, events: Sequence[Event]) -> None:
    """chassis.events.inbox's `apply`: messages to buyers, deliveries to organizers' systems."""
    await plan_messages(tx, events)
    await plan_deliveries(tx, events)
