"""The sandbox provider opened over a test's database, and the receiver of its webhooks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from booking.providers.protocol import Charge, ProviderEvent
from booking.providers.sandbox.adapter import SandboxProvider
from booking.providers.sandbox.app import SandboxApp
from booking.providers.sandbox.controls import SandboxOptions
from booking.providers.sandbox.deliverer import Deliverer
from booking.providers.sandbox.opening import WEBHOOK_PATH, opened
from chassis.ids import uuid7
from chassis.postgres.pool import Pool
from chassis.seam.client import ServiceClient

OLD, NEW = "whsec_b2xkb2xkb2xkb2xk", "whsec_bmV3bmV3bmV3bmV3"


class Customer:
    """Receives webhooks as booking's route does: verified by the provider, kept in `told`."""

    def __init__(self) -> None:
        self.told: list[ProviderEvent] = []
        self.status = 200
        self.stuck: asyncio.Event | None = None  # if set: a message has arrived and waits forever
        self.provider: SandboxProvider

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        assert scope["path"] == WEBHOOK_PATH
        self.told.append(self.provider.read_webhook(headers, body))
        if self.stuck is not None:
            self.stuck.set()
            await asyncio.Event().wait()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Sandbox:
    """Both sides: `provider` as booking uses it, `deliverer` to `customer`, and `tables` to read."""

    def __init__(
        self, pool: Pool, app: SandboxApp, deliverer: Deliverer, customer: Customer
    ) -> None:
        self.pool, self.app, self.deliverer, self.customer = pool, app, deliverer, customer
        self.client = ServiceClient(app, deadline_s=2.0)
        self.provider = customer.provider = SandboxProvider(self.client, (OLD, NEW))

    async def put(self, **controls: Any) -> Any:
        answer = await self.client.request("PUT", "/controls", msgspec.json.encode(controls))
        return msgspec.json.decode(answer)

    async def execute(self, statement: str, *arguments: Any) -> None:
        async with self.pool.acquire() as db:
            await db.execute(statement, *arguments)

    async def fetch(self, query: str) -> "list[asyncpg.Record]":
        async with self.pool.acquire() as db:
            rows: list[asyncpg.Record] = await db.fetch(query)
        return rows

    async def let_time_pass(self) -> None:
        """Makes everything due that would be known or sent later."""
        await self.execute("UPDATE charges SET settles_at = now()")
        await self.execute("UPDATE refunds SET settles_at = now()")
        await self.execute("UPDATE webhooks SET due_at = now()")


@asynccontextmanager
async def running_sandbox(
    database_url: str, customer: Any = None, **options: Any
) -> AsyncIterator[Sandbox]:
    async with opened(database_url, SandboxOptions(**options)) as (pool, steering, app):
        ours = Customer()
        client = ServiceClient(customer or ours)
        deliverer = Deliverer(pool, steering, client, WEBHOOK_PATH, secret=NEW)
        yield Sandbox(pool, app, deliverer, ours)


def new_charge(
    token: str = "tok_ok", *, amount: int = 1_000, payment_id: UUID | None = None
) -> Charge:
    return Charge(
        payment_id=payment_id or uuid7(),
        order_id=uuid4(),
        amount=amount,
        currency="CNY",
        method="alipay",
        token=token,
    )
