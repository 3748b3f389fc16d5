"""The effect of an event in this service, in one transaction with its inbox row."""

from collections.abc import Sequence

from chassis.events.envelope import Event
from chassis.postgres.pool import Connection
from notification.messages.planning import plan_messages
from notification.webhooks.planning import plan_deliveries


async def take_effect(tx: Connection, events: Sequence[Event]) -> None:
    """The inbox's `apply`: plans messages to people and deliveries to organizers' webhooks."""
    await plan_messages(tx, events)
    await plan_deliveries(tx, events)
