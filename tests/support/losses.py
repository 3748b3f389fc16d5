"""A house whose PostgreSQL fails over to a standby that lagged behind: its database is copied, sold from, and
replaced by the copy. What stands elsewhere stays: the provider, Redis, notification with its own database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from booking.events.unfolding import ORDER_STEPS
from booking.providers.sandbox.adapter import SandboxProvider
from booking.recovery.findings import Finding
from booking.recovery.reconciling import reconcile_booking
from chassis.events.broker import MemoryBroker, Subscriber
from chassis.events.relay import Relay
from chassis.observability import logs
from chassis.seam.client import ServiceClient
from contracts.notification import SUBSCRIBES_TO
from tests.support.booking import BookingApp, Neighbours, booking_tables, running_booking
from tests.support.notification import Notification
from tests.support.sandbox import NEW, OLD, Sandbox
from tests.support.servers import with_database

MakeDatabase = Callable[[str], Awaitable[str]]


class LosingHouse:
    """`async with house.selling() as app`, as often as needed; between two `keep_copy` and `fail_over`."""

    def __init__(
        self, database_url: str, redis_url: str, sandbox: Sandbox, notification: Notification
    ) -> None:
        self.database_url, self.redis_url = database_url, redis_url
        self.sandbox, self.notification = sandbox, notification
        self.neighbours = Neighbours()
        self.since = datetime.now(UTC) - timedelta(minutes=5)

    @asynccontextmanager
    async def selling(self, **settings: Any) -> AsyncIterator[BookingApp]:
        async with running_booking(
            self.database_url,
            self.redis_url,
            self.neighbours,
            notification=self.notification.app,
            **settings,
        ) as app:
            # on a busy machine an answer may take longer than a buyer waits
            patient = ServiceClient(self.sandbox.app, deadline_s=30.0)
            app.provider.now = SandboxProvider(patient, (OLD, NEW))
            yield app

    async def keep_copy(self) -> None:
        """What the standby has received."""
        name = _name(self.database_url)
        await self._admin(f"CREATE DATABASE {name}_standby TEMPLATE {name}")

    async def fail_over(self) -> None:
        """The standby is promoted: what was written since `keep_copy` is gone."""
        name = _name(self.database_url)
        await self._admin(
            f"DROP DATABASE {name} WITH (FORCE)", f"ALTER DATABASE {name}_standby RENAME TO {name}"
        )

    async def tell(self, app: BookingApp) -> None:
        """Events reach notification, and its mails are sent."""
        for user in app.users:
            self.notification.identity.add(user)
        hearing = Subscriber("notification", self.notification.client, frozenset(SUBSCRIBES_TO))
        broker = MemoryBroker([hearing])
        await Relay(
            app.services.pool,
            broker,
            source="booking",
            log=logs.get("test"),
            archive=True,
            unfolding=ORDER_STEPS,
        ).round()
        while await self.notification.sender().round():
            pass

    async def find(
        self, app: BookingApp, *, apply: bool = False, margin_s: float = -1.0
    ) -> list[Finding]:
        """What `stampede reconcile` finds; of any age, and without waiting for Redis to settle."""
        found = reconcile_booking(
            app.services, self.since, apply=apply, margin_s=margin_s, settled_s=0.0
        )
        async with aclosing(found):
            return [finding async for finding in found]

    async def money_without_an_order(self) -> list[str]:
        """Charges that have neither a paid order in PostgreSQL nor gone back."""
        charges = await self.sandbox.fetch(
            "SELECT key, amount - coalesce((SELECT sum(r.amount) FROM refunds r"
            " WHERE r.charge = c.key AND r.state = 'succeeded'), 0) AS kept"
            " FROM charges c WHERE state = 'succeeded'"
        )
        async with booking_tables(self.database_url) as tables:
            bought = await tables.fetch(
                "SELECT payment_id FROM payments JOIN orders USING (order_id)"
                " WHERE state = 'succeeded' AND status IN ('paid', 'completed')"
            )
        paid = {row["payment_id"] for row in bought}
        return [str(row["key"]) for row in charges if row["kept"] and row["key"] not in paid]

    async def _admin(self, *statements: str) -> None:
        admin: asyncpg.Connection[Any] = await asyncpg.connect(
            with_database(self.database_url, "postgres")
        )
        try:
            for statement in statements:
                await admin.execute(statement)
        finally:
            await admin.close()


def _name(database_url: str) -> str:
    return urlsplit(database_url).path.lstrip("/")
