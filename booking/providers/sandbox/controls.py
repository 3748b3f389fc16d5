"""The sandbox's behaviour: from settings at the start, from `PUT /controls` at run time.

Changes are stored in the database, so that they apply to every process and survive a restart. A process
reads them again after FRESH_FOR_S.
"""

import random
import time
from typing import Annotated, Any, Literal

import msgspec

from booking.providers.sandbox import store
from chassis.postgres.pool import Pool, connection

FRESH_FOR_S = 0.25
TOWARDS_US = "http://127.0.0.1:8000/api/v1/payments/webhooks/sandbox"

Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Copies = Annotated[int, msgspec.Meta(ge=1, le=50)]
Url = Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s/]+")]


class Controls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The behaviour that can be changed at run time.

    delay_s: the time from a charge to its webhook; a late result is known after the same time.
    spread_s: an additional random delay of up to this, so that webhooks overtake each other.
    copies: how often each webhook is sent.  loss: the share of copies that is never sent.
    never_answer: every charge takes the money and never answers.
    repeat_answers: send a webhook also for results that the call has already returned.
    refunds: whether a refund succeeds at once, after `delay_s` (`pending`), or fails.
    """

    delay_s: Seconds = 1.0
    spread_s: Seconds = 0.0
    copies: Copies = 1
    loss: Share = 0.0
    never_answer: bool = False
    repeat_answers: bool = False
    refunds: Literal["succeed", "pending", "fail"] = "succeed"

    def tell_after_s(self) -> float:
        """Seconds until a webhook is sent."""
        return self.delay_s + (random.uniform(0, self.spread_s) if self.spread_s else 0.0)


class SandboxOptions(Controls, frozen=True, kw_only=True):
    """STAMPEDE_SANDBOX_…: the controls at the start, and the addresses of the two sides.

    url: a sandbox that runs alone; absent: it runs in booking's process.
    webhook_url: the receiver for a sandbox that runs alone; in booking's process it uses the seam.
    """

    url: Url | None = None
    webhook_url: Url = TOWARDS_US

    def controls(self) -> Controls:
        names = Controls.__struct_fields__
        return Controls(**{name: getattr(self, name) for name in names})


class Steering:
    """Reads and changes the controls."""

    def __init__(self, pool: Pool, settings: Controls) -> None:
        self._pool = pool
        self._settings = settings
        self._current = settings
        self._read_at = float("-inf")

    async def current(self) -> Controls:
        if time.monotonic() - self._read_at > FRESH_FOR_S:
            self._read_at = (
                time.monotonic()
            )  # before the read, so that concurrent calls do not read too
            async with connection(self._pool) as db:
                self._current = self._with(await store.get_changes(db))
        return self._current

    async def put(self, changes: dict[str, Any]) -> Controls:
        """Replaces all earlier changes of the settings with these. Raises msgspec.ValidationError."""
        wanted = self._with(changes)
        async with connection(self._pool) as db:
            await store.put_changes(db, changes)
        self._current, self._read_at = wanted, time.monotonic()
        return wanted

    def _with(self, changes: dict[str, Any]) -> Controls:
        return msgspec.convert(msgspec.to_builtins(self._settings) | changes, Controls)
