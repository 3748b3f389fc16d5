"""Payments: a provider that misbehaves, and its signed messages."""

import base64
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from booking.payments.batched_outcomes import BatchedOutcomes
from booking.providers.protocol import Charge, ChargeResult
from chassis.problems import Unavailable
from tests.support.api import Answer
from tests.support.booking import BookingApp

NOW = -1.0  # the reconciler asks about intents of any age
OLD, NEW = "whsec_" + base64.b64encode(b"old" * 8).decode(), "whsec_bmV3bmV3bmV3bmV3"


class Disturbed:
    """The app's provider with another `charge`."""

    def __init__(
        self, app: BookingApp, charge: Callable[[Any, Charge], Awaitable[ChargeResult]]
    ) -> None:
        self.inner: Any = app.provider.now
        self._charge = charge
        self._provider, app.provider.now = app.provider, self

    def end(self) -> None:
        """The provider is as it was."""
        self._provider.now = self.inner

    async def charge(self, charge: Charge) -> ChargeResult:
        return await self._charge(self.inner, charge)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def taken_in_silence(inner: Any, charge: Charge) -> ChargeResult:
    """For Disturbed: the provider takes the money, and its answer is lost."""
    await inner.charge(charge)
    raise Unavailable()


def outcomes_of(app: BookingApp) -> BatchedOutcomes:
    """What says what a provider's answer does, over the app's stores."""
    services = app.services
    return BatchedOutcomes(services.pool, tickets=services.issuing, holds=services.holds)


class Waiting:
    """An order whose payment the provider has not answered yet."""

    def __init__(self, app: BookingApp, user: UUID, order_id: str, payment_id: str) -> None:
        self.app, self.user = app, user
        self.order_id, self.payment_id = order_id, payment_id

    def event(self, type_: str = "payment.succeeded", **changes: Any) -> bytes:
        state = type_.removeprefix("payment.")
        charge = {"key": self.payment_id, "amount": 256_000, "currency": "CNY", "state": state}
        data = charge | {"reason": None} | changes
        return msgspec.json.encode({"type": type_, "data": data})

    async def status(self) -> str:
        read = await self.app.get(f"/orders/{self.order_id}", user=self.user)
        return str(read.json["status"])


def signature(secret: str, id_: str, at: int, body: bytes) -> str:
    """Written anew from the specification, so that it checks our code."""
    key = base64.b64decode(secret.split("_", 1)[1])
    digest = hmac.new(key, f"{id_}.{at}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


async def send(
    app: BookingApp,
    body: bytes,
    *,
    id_: str = "msg_1",
    age_s: int = 0,
    secret: str = OLD,
    path: str = "sandbox",
    **headers: str,
) -> Answer:
    at = int(time.time()) - age_s
    sent = {
        "webhook-id": id_,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(secret, id_, at, body),
    }
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await app.post(f"/payments/webhooks/{path}", raw=body, headers=sent)
