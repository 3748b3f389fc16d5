"""What providers tell us by webhook, in the form of Standard Webhooks 1.0 (standardwebhooks.com).

The signature is HMAC-SHA256 over `id.timestamp.body` with the base64 part of a `whsec_…` secret;
several secrets may be good at once, so that they can be changed without losing a message.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from booking.domain.payment import UNSETTLED
from booking.domain.problems import BadSignature, StaleTimestamp
from booking.providers.protocol import Provider, ProviderEvent, Verdict
from booking.settlement import changes_nothing, refuse_mismatch
from booking.settling import Settling
from booking.store.records import News
from booking.store.settling import ProviderNews, look_at_news, note_news
from chassis import logs
from chassis.coalescer import Coalescer
from chassis.postgres import Pool
from chassis.problems import NotFound

log = logs.get("booking")

TOLERANCE_S = 300
BATCH_MAX = 128  # events a statement
WAITING_MAX = 5_000
REMEMBERED_MAX = (
    20_000  # events known here to be committed; PostgreSQL knows all, this saves asking
)
EVENT_ID = re.compile(r"[\x21-\x7e]{1,128}")


class SignedMessage(msgspec.Struct, frozen=True):
    """The three headers of a webhook and its body as it came, byte for byte."""

    id: str
    timestamp: str
    signatures: str
    body: bytes


def signed_message(headers: Mapping[str, Any], body: bytes) -> SignedMessage:
    """Raises BadSignature without the three headers."""
    found = [headers.get(f"webhook-{name}") for name in ("id", "timestamp", "signature")]
    if any(value is None for value in found):
        raise BadSignature("webhook-id, webhook-timestamp and webhook-signature are needed.")
    return SignedMessage(str(found[0]), str(found[1]), str(found[2]), body)


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a message: `v1,<base64>`."""
    signed = message_id.encode() + b"." + str(timestamp).encode() + b"." + body
    digest = hmac.digest(secret_key(secret), signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode("ascii")


def secret_key(secret: str) -> bytes:
    """`whsec_` and base64; a secret that is not of this form is taken as it stands."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


def verify(message: SignedMessage, secrets: Sequence[str], *, now: float | None = None) -> None:
    """Raises BadSignature when none of the secrets made it, StaleTimestamp beyond ±TOLERANCE_S.

    `now`: Unix seconds; the machine's own clock unless told.
    """
    if not re.fullmatch(r"[0-9]{1,12}", message.timestamp) or not EVENT_ID.fullmatch(message.id):
        raise BadSignature()
    at = int(message.timestamp)
    good = [sign(secret, message.id, at, message.body).encode() for secret in secrets]
    sent = [one.encode("utf-8", "replace") for one in message.signatures.split(" ")[:16]]
    if not any(hmac.compare_digest(ours, theirs) for ours in good for theirs in sent):
        raise BadSignature()
    if abs((time.time() if now is None else now) - at) > TOLERANCE_S:
        raise StaleTimestamp()


class Webhooks:
    """Takes a provider's messages, each once.

    signature ─▶ looked at with others ─┬─ sells an order ─▶ booking/settling.py, with others
                                        ├─ moves nothing any more ─▶ noted with others
                                        └─ anything else ─▶ its own transaction
    """

    def __init__(
        self,
        pool: Pool,
        *,
        providers: Mapping[str, Provider],
        secrets: Sequence[str],
        settling: Settling,
    ) -> None:
        self._pool = pool
        self._providers = providers
        self._secrets = secrets
        self._settling = settling
        self._under_way: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._taken: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._looks: Coalescer[ProviderNews, News] = Coalescer(
            self._look_batch, batch_max=BATCH_MAX, queue_max=WAITING_MAX, concurrency=2
        )
        self._notes: Coalescer[ProviderNews, bool] = Coalescer(
            self._note_batch, batch_max=BATCH_MAX, queue_max=WAITING_MAX, concurrency=2
        )

    async def take(self, provider_name: str, headers: Mapping[str, Any], body: bytes) -> None:
        """Returns when it is taken, now or before, or is of no interest. Raises NotFound,
        BadSignature, StaleTimestamp, ValidationFailed, PaymentMismatch."""
        provider = self._providers.get(provider_name)
        if provider is None:
            raise NotFound()
        event_id, event = self._read(provider, headers, body)
        if event.payment_id is None or event.verdict is None:
            log.info("webhook_ignored", provider=provider_name, type=event.type)
            return
        news = ProviderNews(provider_name, event_id, event.type, event.payment_id)
        # A client that goes away must not stop what it has told us; copies wait for the first.
        name = (provider_name, event_id)
        if name in self._taken:
            return
        task = self._under_way.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._take(news, event.verdict))
            self._under_way[name] = task
            task.add_done_callback(lambda done: self._ended(name, done))
        await asyncio.shield(task)

    def _read(
        self, provider: Provider, headers: Mapping[str, Any], body: bytes
    ) -> tuple[str, ProviderEvent]:
        """The event and its id, once the signature is found good."""
        message = signed_message(headers, body)
        verify(message, self._secrets)
        return message.id, provider.read_event(body)

    async def _take(self, news: ProviderNews, verdict: Verdict) -> None:
        found = await self._looks.call(news)
        if found.taken:
            return
        purchase, state = found.purchase, found.state
        if purchase is None or state is None:
            raise NotFound()
        refuse_mismatch(news.payment_id, verdict, found.amount, purchase.currency)
        if changes_nothing(state, verdict):
            await self._notes.call(news)
        elif state in UNSETTLED:
            await self._settling.sell(purchase, verdict, news)
        else:
            await self._settling.settle(news.payment_id, verdict, news)
        log.info("webhook_taken", provider=news.provider, type=news.type)

    async def _look_batch(self, news: Sequence[ProviderNews]) -> list[News | BaseException]:
        return await look_at_news(self._pool, news)

    async def _note_batch(self, news: Sequence[ProviderNews]) -> list[bool | BaseException]:
        return await note_news(self._pool, news)

    def _ended(self, name: tuple[str, str], task: "asyncio.Task[None]") -> None:
        del self._under_way[name]
        if not task.cancelled() and task.exception() is None:  # seen, should nobody have waited
            self._taken[name] = None
            while len(self._taken) > REMEMBERED_MAX:
                self._taken.popitem(last=False)
