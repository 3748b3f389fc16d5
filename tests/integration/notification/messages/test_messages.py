"""Notification: an event becomes each of its messages once, and what cannot be sent is not lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from chassis.events.inbox import Inbox, list_dead, retry
from chassis.ids import uuid7
from chassis.seam.client import UpstreamRefused
from contracts.rehearsals import rehearsal_id
from notification import workers
from notification.mailbox import store as mailbox
from notification.messages import store
from notification.messages.planning import plan_messages
from notification.messages.sending import ATTEMPTS_MAX
from notification.messages.store import EndedMessage
from notification.outgoing import Outgoing, SendFailed, Undeliverable
from tests.support.notification import (
    Notification,
    RecordedLines,
    names,
    running_notification,
)
from tests.support.orders import (
    USER_ID,
    event_of,
    order_cancelled,
    order_created,
    order_paid,
    ticket_transferred,
)


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Notification]:
    async with running_notification(database_url) as running:
        yield running


class Scripted:
    """A channel that raises what it is given, once each, and then takes everything."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.sent: list[Outgoing] = []

    async def send(self, message: Outgoing) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)


async def test_an_event_delivered_five_times_is_one_mail(service: Notification) -> None:
    created = event_of(order_created())
    for _ in range(5):
        await service.deliver(created, created)
    channel = Scripted()
    sender = service.sender({"email": channel})
    assert await sender.round() == 1
    assert await sender.round() == 0
    (mail,) = channel.sent
    assert mail.recipient == "lilei@example.com"
    assert mail.subject.startswith("订单待付款")
    assert mail.header_id == f"<{created.id}.order_confirmation.email@stampede.example>"


async def test_without_inbox_and_unique_message_the_mail_doubles(service: Notification) -> None:
    """The mutation control of the test above: both of its mechanisms taken out."""
    await service.pool.execute("ALTER TABLE inbox DROP CONSTRAINT inbox_pkey")
    await service.pool.execute("ALTER TABLE messages DROP CONSTRAINT messages_one_by_event")
    planned = event_of(order_created())
    for _ in range(2):
        await service.pool.execute(
            "INSERT INTO messages (message_id, event_id, template, channel, user_id, event)"
            " VALUES ($1, $2, 'order_confirmation', 'email', $3, $4)",
            uuid7(), planned.id, USER_ID, msgspec.json.encode(planned).decode(),
        )  # fmt: skip
    channel = Scripted()
    assert await service.sender({"email": channel}).round() == 2
    assert len({mail.header_id for mail in channel.sent}) == 1


async def test_each_kind_of_event_has_its_messages(service: Notification) -> None:
    await service.deliver(
        event_of(order_created()), event_of(order_paid()), event_of(order_cancelled())
    )
    assert await service.states() == [
        ("order_cancellation", "email", "due"),
        ("order_confirmation", "email", "due"),
        ("payment_receipt", "email", "due"),
    ]


async def test_an_event_of_another_kind_has_no_message(service: Notification) -> None:
    other = msgspec.structs.replace(event_of(order_paid()), type="stampede.order.completed.v1")
    await service.deliver(other)
    assert await service.states() == []


async def test_an_event_that_breaks_its_contract_is_a_dead_letter_and_hinders_no_other(
    service: Notification,
) -> None:
    broken = msgspec.structs.replace(event_of(order_created()), data=msgspec.Raw(b'{"order_id":1}'))
    other = event_of(order_created(order_id=uuid7()))
    await service.deliver(broken, other)
    assert await service.states() == [("order_confirmation", "email", "due")]
    async with service.pool.acquire() as db:
        (letter,) = await list_dead(db)
    assert letter.event_id == broken.id


async def test_a_body_that_is_no_batch_is_refused(service: Notification) -> None:
    with pytest.raises(UpstreamRefused, match="400"):
        await service.client.request("POST", "/internal/events", b'{"events": 7}')


async def test_an_account_with_a_phone_gets_its_receipt_by_sms_too(service: Notification) -> None:
    service.identity.add(USER_ID, phone="+8613800138000", locale="en")
    await service.deliver(event_of(order_paid()))
    mail, sms = Scripted(), Scripted()
    sender = service.sender({"email": mail, "sms": sms})
    assert [await sender.round() for _ in range(3)] == [1, 1, 0]
    assert mail.sent[0].subject.startswith("Your tickets")
    assert sms.sent[0].recipient == "+8613800138000"
    assert sms.sent[0].html is None
    assert {state for _, _, state in await service.states()} == {"sent"}


async def test_without_a_phone_or_a_channel_there_is_no_sms(service: Notification) -> None:
    await service.deliver(event_of(order_paid()))
    await service.sender().round()
    service.identity.add(USER_ID, phone="+8613800138000")
    await service.deliver(event_of(order_paid()))
    await service.sender({"email": Scripted()}).round()
    assert await service.states() == [("payment_receipt", "email", "sent")] * 2


async def test_the_sms_is_planned_once_though_the_mail_is_tried_again(
    service: Notification,
) -> None:
    service.identity.add(USER_ID, phone="+8613800138000")
    await service.deliver(event_of(order_paid()))
    away, sms = Scripted(SendFailed("421: later")), Scripted()
    for _ in range(4):
        await service.sender({"email": away, "sms": sms}).round()
        await service.make_due()
    assert (len(away.sent), len(sms.sent)) == (1, 1)


async def test_an_sms_of_an_older_release_is_sent_and_not_planned_again(
    service: Notification,
) -> None:
    """The release before planned it beside the mail, for everybody."""
    service.identity.add(USER_ID, phone="+8613800138000")
    paid = event_of(order_paid())
    await service.deliver(paid)
    await service.pool.execute(
        "INSERT INTO messages (message_id, event_id, template, channel, user_id, event)"
        " VALUES ($1, $2, 'payment_receipt', 'sms', $3, $4)",
        uuid7(), paid.id, USER_ID, msgspec.json.encode(paid).decode(),
    )  # fmt: skip
    mail, sms = Scripted(), Scripted()
    sender = service.sender({"email": mail, "sms": sms})
    assert [await sender.round() for _ in range(2)] == [2, 0]
    assert (len(mail.sent), len(sms.sent)) == (1, 1)


async def test_nobody_is_asked_to_pay_after_the_deadline(service: Notification) -> None:
    late = order_created(expires_at=datetime.now(UTC) - timedelta(minutes=1))
    await service.deliver(event_of(late))
    channel = Scripted()
    await service.sender({"email": channel}).round()
    assert channel.sent == []
    assert await service.states() == [("order_confirmation", "email", "skipped")]


async def test_a_message_to_an_account_that_is_gone_is_skipped(service: Notification) -> None:
    await service.deliver(event_of(order_cancelled(user_id=uuid7())))
    await service.sender().round()
    assert await service.states() == [("order_cancellation", "email", "skipped")]


async def test_while_identity_is_away_the_message_waits(service: Notification) -> None:
    service.identity.down = True
    await service.deliver(event_of(order_cancelled()))
    channel = Scripted()
    sender = service.sender({"email": channel})
    assert await sender.round() == 1
    assert await sender.round() == 0  # not before its time
    assert await service.states() == [("order_cancellation", "email", "due")]
    service.identity.down = False
    await service.make_due()
    assert await sender.round() == 1
    assert len(channel.sent) == 1


async def test_a_mail_that_fails_is_tried_again_and_at_last_becomes_a_dead_letter(
    service: Notification,
) -> None:
    cancelled = event_of(order_cancelled())
    await service.deliver(cancelled)
    channel = Scripted(*[SendFailed("SMTP: SMTPConnectError")] * ATTEMPTS_MAX)
    sender = service.sender({"email": channel})
    for attempt in range(1, ATTEMPTS_MAX + 1):
        assert await service.states() == [("order_cancellation", "email", "due")], attempt
        assert await sender.round() == 1
        await service.make_due()
    assert await service.states() == [("order_cancellation", "email", "dead")]
    async with service.pool.acquire() as db:
        (letter,) = await list_dead(db)
        assert (letter.event_id, letter.next_attempt) == (cancelled.id, None)
        assert letter.attempts == ATTEMPTS_MAX
        assert letter.reason == "email order_cancellation: SMTP: SMTPConnectError"
        assert await retry(db) == 1  # stampede dlq retry
    inbox = Inbox(service.pool, "notification", plan_messages, RecordedLines())
    assert await inbox.retry_due() == 1
    assert await sender.round() == 1
    assert len(channel.sent) == 1
    assert await service.states() == [("order_cancellation", "email", "sent")]
    async with service.pool.acquire() as db:
        assert await list_dead(db) == []


async def test_a_retried_event_does_not_send_again_what_was_sent(service: Notification) -> None:
    service.identity.add(USER_ID, phone="+8613800138000")
    await service.deliver(event_of(order_paid()))
    mail, sms = Scripted(), Scripted(Undeliverable("no such number"))
    sender = service.sender({"email": mail, "sms": sms})
    assert [await sender.round() for _ in range(2)] == [1, 1]
    async with service.pool.acquire() as db:
        assert await retry(db) == 1
    inbox = Inbox(service.pool, "notification", plan_messages, RecordedLines())
    await inbox.retry_due()
    assert await service.sender({"email": mail, "sms": sms}).round() == 1
    assert (len(mail.sent), len(sms.sent)) == (1, 1)


async def test_what_will_never_be_taken_is_given_up_at_once(service: Notification) -> None:
    await service.deliver(event_of(order_cancelled()))
    await service.sender({"email": Scripted(Undeliverable("SMTP 550: refused"))}).round()
    assert await service.states() == [("order_cancellation", "email", "dead")]


async def test_two_senders_share_the_messages_between_them(service: Notification) -> None:
    events = [event_of(order_cancelled(order_id=uuid7())) for _ in range(40)]
    await service.deliver(*events)
    channels = [Scripted(), Scripted()]

    async def work(channel: Scripted) -> None:
        sender = service.sender({"email": channel})
        while await sender.round():
            pass

    await asyncio.gather(*[work(channel) for channel in channels])
    sent = [mail.header_id for channel in channels for mail in channel.sent]
    assert len(sent) == len(set(sent)) == 40


class Killed(BaseException):
    """As no except clause of the sender has it."""


class Dying(Scripted):
    """The mail goes out, and then the process dies: nothing marks it."""

    async def send(self, message: Outgoing) -> None:
        await super().send(message)
        raise Killed


async def test_a_sender_that_dies_after_sending_leaves_a_resend_with_the_same_message_id(
    service: Notification,
) -> None:
    """At least once, and recognisable: what `notification.messages.sending` promises."""
    await service.deliver(event_of(order_cancelled()))
    first = Dying()
    with pytest.raises(Killed):
        await service.sender({"email": first}).round()
    assert await service.sender({"email": first}).round() == 0  # its lease still runs
    await service.make_due()
    second = Scripted()
    assert await service.sender({"email": second}).round() == 1
    assert first.sent[0].header_id == second.sent[0].header_id


async def test_a_sender_whose_lease_ran_out_cannot_mark_the_next_ones_message(
    service: Notification,
) -> None:
    await service.deliver(event_of(order_cancelled()))
    (stale,) = await store.claim_messages(service.pool, limit=1, lease_s=0, stale_s=10)
    (fresh,) = await store.claim_messages(service.pool, limit=1, lease_s=120, stale_s=10)
    await store.give_up(service.pool, stale, "too late to say so")
    await store.end_messages(service.pool, [EndedMessage(stale, "skipped")])
    assert await service.states() == [("order_cancellation", "email", "due")]
    await store.end_messages(service.pool, [EndedMessage(fresh, "sent")])
    assert await service.states() == [("order_cancellation", "email", "sent")]


async def test_a_message_that_kills_its_sender_every_time_is_given_up(
    service: Notification,
) -> None:
    await service.deliver(event_of(order_cancelled()))
    await service.pool.execute("UPDATE messages SET attempts = $1", ATTEMPTS_MAX)
    channel = Scripted()
    await service.sender({"email": channel}).round()
    assert channel.sent == []
    assert await service.states() == [("order_cancellation", "email", "dead")]


async def test_the_line_carries_the_request_that_caused_the_mail_and_no_address(
    service: Notification,
) -> None:
    await service.deliver(event_of(order_created(), request_id="abc-123"))
    log = RecordedLines()
    failing = Scripted(SendFailed("SMTP: SMTPConnectError"))
    sender = service.sender({"email": failing}, log=log)
    await sender.round()
    await service.make_due()
    await sender.round()
    assert names(log.lines) == ["email_failed", "email_sent"]
    assert {request_id for request_id, _, _ in log.lines} == {"abc-123"}
    assert log.lines[1][2]["template"] == "order_confirmation"
    assert "@" not in str(log.lines)
    assert service.identity.request_ids == ["abc-123"]  # the account was fetched for it, once


async def test_the_worker_sends_what_is_due_and_stops_when_told(service: Notification) -> None:
    await service.deliver(event_of(order_created()), event_of(order_paid()))
    stop = asyncio.Event()
    worker = asyncio.create_task(workers.run(service.wiring, stop))
    async with asyncio.timeout(10):
        while {state for *_, state in await service.states()} & {"due"}:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    stop.set()
    await asyncio.wait_for(worker, 10)
    assert await service.pool.fetchval("SELECT count(*) FROM mailbox") == 2


async def test_the_probe_says_whether_the_database_answers(service: Notification) -> None:
    status, _, body = await service.get("/readyz")
    assert status == 200
    assert msgspec.json.decode(body)["dependencies"] == {"postgresql": True}


async def test_old_messages_are_pruned_and_waiting_ones_never(service: Notification) -> None:
    sent, waiting = event_of(order_cancelled()), event_of(order_cancelled())
    await service.deliver(sent)
    await service.sender({"email": Scripted()}).round()
    await service.deliver(waiting)
    await service.pool.execute("UPDATE messages SET created_at = now() - interval '100 days'")
    await store.prune(service.pool, days=90)
    await mailbox.prune(service.pool, days=7)
    assert await _event_ids(service) == [waiting.id]


async def _event_ids(service: Notification) -> list[Any]:
    return [row["event_id"] for row in await service.pool.fetch("SELECT event_id FROM messages")]


async def test_a_transfer_is_told_to_both_of_its_people(service: Notification) -> None:
    moved = ticket_transferred()
    await service.deliver(event_of(moved))
    async with service.pool.acquire() as db:
        planned = await db.fetch("SELECT template, user_id FROM messages ORDER BY template")
    assert [tuple(row) for row in planned] == [
        ("ticket_received", moved.to_user_id),
        ("ticket_sent", moved.from_user_id),
    ]


async def test_nobody_is_written_to_about_a_rehearsal(service: Notification) -> None:
    session_id = rehearsal_id()
    about = [order_created(session_id=session_id), order_paid(session_id=session_id)]
    await service.deliver(*map(event_of, about))
    assert await service.states() == []
    await service.deliver(event_of(order_paid()))
    assert {template for template, _, _ in await service.states()} == {"payment_receipt"}
