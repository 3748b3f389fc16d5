"""Sends due messages: claim, look up the account, render, send, mark.

A message is sent at least once. If a sender dies between sending and marking, the next one sends the message
again after the lease ends. It has the same Message-ID, by which mail programs and the local mailbox recognise
it. SMTP allows no exactly-once delivery. The link of a password mail is created while the mail is rendered
(docs/adr/0036); each attempt's link replaces the previous one, so each attempt is a mail of its own.

During a rush (RUSH new messages within a second) mails wait, so that the machine serves orders first: only
TRICKLE messages a poll are sent. Once a message has waited for LATE_S, sending gets SHARE of the time. See
docs/adr/0025.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from chassis.concurrency.backoff import Backoff
from chassis.concurrency.cache import FetchOnce
from chassis.concurrency.coalescer import Coalescer
from chassis.concurrency.rounds import Every, repeat
from chassis.context import RequestContext, current
from chassis.observability.tracer import Tracer, continued
from chassis.postgres.pool import Pool
from chassis.problems import Problem
from chassis.seam.client import ServiceClient, UpstreamRefused
from chassis.spans import INTERNAL
from contracts.booking import OrderCreated
from contracts.identity import (
    LOOKUP_PATH,
    LOOKUPS_MAX,
    PASSWORD_LINKS_PATH,
    Account,
    AccountLookup,
    AccountLookups,
    Accounts,
    PasswordLink,
    PasswordLinkWanted,
    PasswordResetAsked,
)
from notification.mailbox import store as mailbox
from notification.messages import store
from notification.messages.metrics import MESSAGES
from notification.messages.planning import ALSO_BY_SMS, EMAIL, SMS, matter_of
from notification.messages.rendering import Renderer
from notification.messages.store import ClaimedMessage, EndedMessage
from notification.outgoing import Channel, Outgoing, SendFailed, Undeliverable

CONCURRENCY = 8  # messages claimed together and sent concurrently, by default
ENDS_MAX = 128  # messages marked by one statement
LEASE_S = 120.0  # longer than the account's deadline and the channel's together
ATTEMPTS_MAX = 12
RETRY = Backoff(first_s=5.0, most_s=1800.0)  # all attempts together: about two hours
ROUND_RETRY = Backoff(first_s=5.0, most_s=20.0)
POLL_S = 0.25
RUSH = 100  # waiting messages that became due within a second
TRICKLE = 8  # messages a poll, during a rush
LATE_S = 30.0  # how long a message may wait for the end of a rush
SHARE = 0.25  # of the time, in a rush that lasts longer
STALE_S = 10.0  # after this, "please pay" is skipped if the receipt follows it
ACCOUNT_TTL_S = 5.0
ACCOUNTS_MAX = 2000
SERVICE = "notification"
SPAN = "2"  # what came of a request after its answer; the request itself is span 1
PRUNE_INTERVAL_S = 3600.0
KEEP_MESSAGES_DAYS = 90
KEEP_MAILBOX_DAYS = 7

FetchAccount = Callable[[UUID], Awaitable[Account | None]]
MakeLink = Callable[[UUID], Awaitable[str | None]]


class About(msgspec.Struct):
    """What a log line names of an event."""

    order_id: str | None = None


_about = msgspec.json.Decoder(About).decode


class Skipped(Exception):
    """The message has no recipient, or is no longer needed."""


class Sender:
    """`header_domain`: the domain in Message-IDs."""

    def __init__(
        self,
        pool: Pool,
        channels: dict[str, Channel],
        renderer: Renderer,
        account: FetchAccount,
        log: Any,
        *,
        make_link: MakeLink,
        header_domain: str,
        at_once: int = CONCURRENCY,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer
        self._pool = pool
        self._channels = channels
        self._renderer = renderer
        self._account = account
        self._make_link = make_link
        self._log = log
        self._header_domain = header_domain
        self._at_once = at_once
        self._ends: Coalescer[EndedMessage, None] = Coalescer(
            self._mark,
            batch_max=ENDS_MAX,
            queue_max=16 * ENDS_MAX,
            name="notification_ends",
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Sends until `stop`. A round that fails is tried again; nothing ends this but `stop`."""
        pruning = Every(PRUNE_INTERVAL_S)

        async def one_round() -> float:
            delay_s = await self.step()
            if pruning.is_due():
                await store.prune(self._pool, days=KEEP_MESSAGES_DAYS)
                await mailbox.prune(self._pool, days=KEEP_MAILBOX_DAYS)
            return delay_s

        def failed(failure: Exception, _failures: int) -> None:
            self._log.warning("sender_interrupted", reason=repr(failure))

        await repeat(
            one_round,
            stop,
            interval_s=lambda delay_s: delay_s,
            retry=ROUND_RETRY,
            failed=failed,
        )

    async def step(self) -> float:
        """Runs one round, smaller during a rush. Returns the seconds to wait before the next."""
        began = time.monotonic()
        waiting = await store.waiting(self._pool, enough=RUSH)
        if not waiting.any_due:
            return POLL_S
        rush = waiting.fresh >= RUSH
        spared = rush and waiting.longest_s < LATE_S
        sent = await self.round(TRICKLE if spared else None)
        if spared or not sent:
            return POLL_S
        return (time.monotonic() - began) * (1 / SHARE - 1) if rush else 0.0

    async def round(self, limit: int | None = None) -> int:
        """Handles up to `limit` due messages, by default a full batch. Returns their number."""
        most = self._at_once if limit is None else min(limit, self._at_once)
        claimed = await store.claim_messages(
            self._pool, limit=most, lease_s=LEASE_S, stale_s=STALE_S
        )
        works = [self._work_off(message) for message in claimed]
        outcomes = await asyncio.gather(*works, return_exceptions=True)
        for (
            outcome
        ) in outcomes:  # after all have ended, so that one failure does not interrupt the others
            if isinstance(outcome, BaseException):
                raise outcome
        return len(claimed)

    async def _work_off(self, message: ClaimedMessage) -> None:
        context = RequestContext(message.event.requestid, SPAN)
        name = f"send {message.template} by {message.channel}"
        caused_by = message.event.traceparent or None
        with continued(self._tracer, context, SERVICE, caused_by, name=name, kind=INTERNAL):
            await self._try(message)

    async def _try(self, message: ClaimedMessage) -> None:
        began = time.monotonic()
        if message.attempt > ATTEMPTS_MAX:  # its last sender died while sending it
            await self._give_up(message, "its sender died while sending it")
            return
        try:
            outgoing = await self._write(message)
            await self._channels[message.channel].send(outgoing)
        except Skipped as skipped:
            await self._ends.call(EndedMessage(message, "skipped", str(skipped)))
            self._say(message, "skipped", reason=str(skipped))
        except Undeliverable as never:
            await self._give_up(message, str(never))
        except Exception as failure:
            await self._failed(message, failure)
        else:
            await self._ends.call(EndedMessage(message, "sent"))
            self._say(message, "sent", duration=f"{round((time.monotonic() - began) * 1000)}ms")

    async def _write(self, message: ClaimedMessage) -> Outgoing:
        """The rendered message for the account. Raises Skipped if it should not be sent."""
        if message.channel not in self._channels:
            raise Skipped(f"there is no channel for {message.channel}")
        if message.overtaken:
            raise Skipped("the order was paid or cancelled meanwhile")
        matter = matter_of(message.event)
        if isinstance(matter, OrderCreated) and matter.expires_at <= message.claimed_at:
            raise Skipped("the time to pay is over")
        account = await self._account(message.user_id)
        if account is None:
            raise Skipped("there is no such account")
        recipient = account.phone if message.channel == SMS else account.email
        if not recipient:
            raise Skipped("the account has no phone number")
        if self._goes_by_sms_too(message, account):
            await store.plan_beside(self._pool, message, SMS)
        language = self._renderer.language_of(account.locale)
        name = account.full_name
        header_name = f"{message.event.id}.{message.template}.{message.channel}"
        if isinstance(matter, PasswordResetAsked):
            link = await self._make_link(matter.reset_id)
            if link is None:
                raise Skipped("this link is no longer needed")
            header_name += f".{message.attempt}"
            rendered = self._renderer.mail(message.template, language, matter, name, link)
        elif message.channel == SMS:
            rendered = self._renderer.sms(message.template, language, matter, name)
        else:
            rendered = self._renderer.mail(message.template, language, matter, name)
        return Outgoing(
            header_id=f"<{header_name}@{self._header_domain}>",
            recipient=recipient,
            language=language,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
        )

    def _goes_by_sms_too(self, message: ClaimedMessage, account: Account) -> bool:
        by_sms = message.channel == EMAIL and message.template in ALSO_BY_SMS
        return by_sms and bool(account.phone) and SMS in self._channels

    async def _mark(self, ended: Sequence[EndedMessage]) -> list[None]:
        await store.end_messages(self._pool, ended)
        return [None] * len(ended)

    async def _failed(self, message: ClaimedMessage, failure: Exception) -> None:
        reason = _reason(failure)
        if message.attempt >= ATTEMPTS_MAX:
            await self._give_up(message, reason)
            return
        delay_s = RETRY.delay_s(message.attempt)
        await store.put_off(self._pool, message, reason, delay_s=delay_s)
        expected = isinstance(failure, SendFailed | Problem)
        self._say(
            message,
            "failed",
            reason=reason,
            again_in=f"{round(delay_s)}s",
            **({} if expected else {"exc_info": failure}),
        )

    async def _give_up(self, message: ClaimedMessage, reason: str) -> None:
        await store.give_up(self._pool, message, reason)
        self._say(message, "dead", reason=reason)

    def _say(self, message: ClaimedMessage, outcome: str, **fields: Any) -> None:
        """Logs `email_sent template=order_confirmation` with the request id of the event."""
        MESSAGES.labels(message.channel, outcome).inc()
        write = self._log.info if outcome in {"sent", "skipped"} else self._log.warning
        if message.attempt > 1:
            fields["attempt"] = message.attempt
        if order_id := _about(message.event.data).order_id:
            fields["order"] = order_id
        write(f"{message.channel}_{outcome}", template=message.template, **fields)


def accounts(identity: ServiceClient) -> FetchAccount:
    """Reads accounts from identity, cached briefly and never stored. Concurrent lookups share a call."""

    async def look_up(asked: Sequence[AccountLookup]) -> Sequence[Account | None]:
        return (await identity.post(LOOKUP_PATH, AccountLookups(list(asked)), Accounts)).accounts

    lookups: Coalescer[AccountLookup, Account | None] = Coalescer(
        look_up,
        batch_max=LOOKUPS_MAX,
        queue_max=16 * LOOKUPS_MAX,
        name="notification_accounts",
        stage="services",
    )

    async def fetch(user_id: UUID) -> Account | None:
        context = current()
        return await lookups.call(AccountLookup(user_id, context.request_id, context.child_span()))

    return FetchOnce(fetch, ttl_s=ACCOUNT_TTL_S, entries_max=ACCOUNTS_MAX).get


def links(identity: ServiceClient) -> MakeLink:
    """Creates the token of a password reset link; None if the reset is no longer open."""

    async def make(reset_id: UUID) -> str | None:
        wanted = PasswordLinkWanted(reset_id)
        try:
            return (await identity.post(PASSWORD_LINKS_PATH, wanted, PasswordLink)).token
        except UpstreamRefused as refused:
            if refused.status == 404:
                return None
            raise

    return make


def _reason(failure: Exception) -> str:
    """The reason for the table and the log. Foreign errors may contain an address, so only their type."""
    if isinstance(failure, SendFailed):
        return str(failure)
    if isinstance(failure, Problem):
        return failure.detail or failure.title()
    return type(failure).__name__
