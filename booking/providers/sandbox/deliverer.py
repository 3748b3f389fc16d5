"""Sends the sandbox's webhooks, signed by Standard Webhooks, until the receiver accepts them.

A message and its due time are stored with the charge, so no message is lost if a sender dies; it may be sent
twice, as with every provider. Any number of senders share the work.
"""

import asyncio
import random
import time

import msgspec

from booking.providers.sandbox import store
from booking.providers.sandbox.controls import Steering
from booking.providers.sandbox.store import DueMessage
from booking.providers.signatures import sign
from chassis.concurrency.backoff import Backoff
from chassis.concurrency.rounds import Every, repeat
from chassis.context import CURRENT, RequestContext
from chassis.observability import logs
from chassis.postgres.pool import Pool
from chassis.problems import Problem
from chassis.seam.client import ServiceClient

log = logs.get("sandbox")

BATCH_MAX = 200
LOOK_INTERVAL_S = 0.2
LEASE_S = 60.0  # longer than a batch may take; a sender that died had these
PRUNE_INTERVAL_S = 60.0
KEEP_DELIVERED_S = 3_600.0
RETRY = Backoff(first_s=1.0, most_s=3_600.0)
ATTEMPTS_MAX = 80  # about three days of them
ROUND_RETRY = Backoff(first_s=0.5, most_s=5.0)


class Deliverer:
    """`client` and `path` address the customer's webhook route; `secret` signs."""

    def __init__(
        self, pool: Pool, steering: Steering, client: ServiceClient, path: str, *, secret: str
    ) -> None:
        self._pool = pool
        self._steering = steering
        self._client = client
        self._path = path
        self._secret = secret

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. A round that fails is tried again."""
        pruning = Every(PRUNE_INTERVAL_S, at_once=False)

        async def one_round() -> int:
            sent = await self.send_due()
            if pruning.is_due():
                await store.prune_webhooks(self._pool, older_than_s=KEEP_DELIVERED_S)
            return sent

        def failed(failure: Exception, failures: int) -> None:
            log.warning("round_failed", loop="sandbox", failures=failures, reason=repr(failure))

        await repeat(
            one_round,
            stop,
            interval_s=lambda sent: LOOK_INTERVAL_S if sent < BATCH_MAX else 0.0,
            retry=ROUND_RETRY,
            failed=failed,
        )

    async def send_due(self) -> int:
        """Sends a batch of due messages, with copies, losses and disorder as the controls say."""
        due = await store.claim_webhooks(
            self._pool, limit=BATCH_MAX, lease_s=LEASE_S, attempts_max=ATTEMPTS_MAX
        )
        if not due:
            return 0
        controls = await self._steering.current()
        copies = [message for message in due for _ in range(controls.copies)]
        if controls.spread_s:
            random.shuffle(copies)
        kept = [message for message in copies if random.random() >= controls.loss]
        reasons = await asyncio.gather(*(self._send(message) for message in kept))
        failed = dict.fromkeys((message.subject for message in due), "")
        for message, reason in zip(kept, reasons, strict=True):
            failed[message.subject] = failed[message.subject] or reason
        await store.mark_webhooks(
            self._pool,
            [
                (message.subject, failed[message.subject] or None, RETRY.delay_s(message.attempts))
                for message in due
            ],
        )
        return len(due)

    async def _send(self, message: DueMessage) -> str:
        """The reason of a failure; empty if the receiver accepted the message."""
        message_id = f"msg_{message.subject.hex}"
        CURRENT.set(RequestContext(f"sandbox-{message.subject.hex}"))
        body, at = message_body(message), int(time.time())
        headers = [
            (b"webhook-id", message_id.encode()),
            (b"webhook-timestamp", b"%d" % at),
            (b"webhook-signature", sign(self._secret, message_id, at, body).encode()),
        ]
        try:
            status, _ = await self._client.exchange("POST", self._path, body, headers)
        except Problem as away:
            return away.code
        return "" if 200 <= status < 300 else f"status {status}"


def message_body(message: DueMessage) -> bytes:
    """`{"type": "payment.succeeded", "data": {…}}`; the same bytes in every attempt."""
    outcome = "succeeded" if message.state == "succeeded" else "failed"
    data = {
        "key": message.subject,
        "amount": message.amount,
        "currency": message.currency,
        "state": message.state,
        "reason": message.reason,
    }
    if message.charge is not None:
        data["charge"] = message.charge
    return msgspec.json.encode({"type": f"{message.kind}.{outcome}", "data": data})
