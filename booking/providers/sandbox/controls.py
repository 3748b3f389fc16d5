"""How the sandbox behaves: by settings when it starts, by its own `PUT /controls` while it runs.

What was put is in the database, so that every process of an installation follows it, and a restart
too; a process looks again after FRESH_FOR_S.
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
    """What can be set while it runs.

    delay_s: a webhook leaves so long after its charge; a late answer is known from then on.
    spread_s: and up to so much later still, at random, so that they overtake each other.
    copies: how often each webhook is sent.  loss: which share of the copies is never sent.
    never_answer: every charge takes the money and gives no answer.
    repeat_answers: a webhook also says what the answer to the call has said already.
    refunds: whether a refund succeeds at once, after `delay_s`, or fails.
    """

    delay_s: Seconds = 1.0
    spread_s: Seconds = 0.0
    copies: Copies = 1
    loss: Share = 0.0
    never_answer: bool = False
    repeat_answers: bool = False
    refunds: Literal["succeed", "pending", "fail"] = "succeed"

    def tell_after_s(self) -> float:
        """When a webhook leaves, counted from now."""
        return self.delay_s + (random.uniform(0, self.spread_s) if self.spread_s else 0.0)


class SandboxOptions(Controls, frozen=True, kw_only=True):
    """STAMPEDE_SANDBOX_…: the controls at the start, and where the two sides find each other.

    url: a sandbox that runs alone; absent: in booking's process.
    webhook_url: where one that runs alone sends to; in booking's process it takes the seam.
    """

    url: Url | None = None
    webhook_url: Url = TOWARDS_US

    def controls(self) -> Controls:
        names = Controls.__struct_fields__
        return Controls(**{name: getattr(self, name) for name in names})


class Steering:
    """The controls as they are now."""

    def __init__(self, pool: Pool, settings: Controls) -> None:
        self._pool = pool
        self._settings = settings
        self._current = settings
        self._read_at = float("-inf")

    async def current(self) -> Controls:
        if time.monotonic() - self._read_at > FRESH_FOR_S:
            self._read_at = time.monotonic()  # whoever comes meanwhile need not ask as well
            async with connection(self._pool) as db:
                self._current = self._with(await store.get_changes(db))
        return self._current

    async def put(self, changes: dict[str, Any]) -> Controls:
        """These and only these differ from the settings. Raises msgspec.ValidationError."""
        wanted = self._with(changes)
        async with connection(self._pool) as db:
            await store.put_changes(db, changes)
        self._current, self._read_at = wanted, time.monotonic()
        return wanted

    def _with(self, changes: dict[str, Any]) -> Controls:
        return msgspec.convert(msgspec.to_builtins(self._settings) | changes, Controls)
