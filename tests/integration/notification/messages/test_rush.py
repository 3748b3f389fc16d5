"""Mails while a sale is on: they wait, but never for ever, and none goes out that is no longer true."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP

import msgspec
import pytest

from chassis.ids import uuid7
from contracts.booking import ORDER_CREATED
from notification.messages.sending import LATE_S, POLL_S, RUSH, SHARE, STALE_S, TRICKLE
from tests.support.notification import (
    Notification,
    password_reset_asked,
    running_notification,
)
from tests.support.orders import event_of, order_cancelled, order_created, order_paid
from tests.support.servers import ROOT


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Notification]:
    async with running_notification(database_url) as running:
        yield running


async def sent(service: Notification) -> int:
    return int(await service.pool.fetchval("SELECT count(*) FROM messages WHERE state = 'sent'"))


async def rush(service: Notification, orders: int = RUSH) -> None:
    await service.deliver(*(event_of(order_created(order_id=uuid7())) for _ in range(orders)))


async def waited(service: Notification, seconds: float, *, orders: int = 1_000_000) -> None:
    """So many of the messages have been there for so long."""
    await service.pool.execute(
        "UPDATE messages SET created_at = created_at - make_interval(secs => $1),"
        " next_attempt = next_attempt - make_interval(secs => $1)"
        " WHERE message_id IN (SELECT message_id FROM messages ORDER BY message_id LIMIT $2)",
        seconds, orders,
    )  # fmt: skip


async def test_in_a_rush_only_a_trickle_goes_out(service: Notification) -> None:
    await rush(service)
    assert await service.sender(at_once=64).step() == POLL_S
    assert await sent(service) == TRICKLE


async def test_a_link_that_somebody_waits_for_goes_first_in_a_rush(service: Notification) -> None:
    await rush(service, 3 * RUSH)
    await waited(service, 0.5)
    asked = password_reset_asked(service)
    await service.deliver(asked)
    assert await service.sender(at_once=64).step() == POLL_S
    assert await sent(service) == TRICKLE
    state = "SELECT state FROM messages WHERE template = 'password_reset'"
    assert await service.pool.fetchval(state) == "sent"


async def test_without_a_rush_everything_goes_out_at_once(service: Notification) -> None:
    await rush(service, RUSH - 1)
    assert await service.sender(at_once=64).step() == 0.0
    assert await sent(service) == 64


async def test_when_the_rush_is_over_the_rest_goes_out(service: Notification) -> None:
    await rush(service)
    await waited(service, 2)
    sender = service.sender(at_once=64)
    while await sender.step() == 0.0:
        pass
    assert await sent(service) == RUSH


async def test_in_a_long_rush_mails_get_their_share(service: Notification) -> None:
    await rush(service, RUSH + 64)
    await waited(service, LATE_S + 1, orders=64)
    began = time.monotonic()
    delay_s = await service.sender(at_once=64).step()
    assert 0 < delay_s <= (time.monotonic() - began) * (1 / SHARE - 1)
    assert await sent(service) == 64


@pytest.mark.parametrize("ending", [order_paid, order_cancelled])
async def test_please_pay_is_not_sent_behind_the_end_of_its_order(
    service: Notification, ending: type
) -> None:
    await service.deliver(event_of(order_created()))
    await waited(service, STALE_S + 1)
    await service.deliver(event_of(ending()))
    await service.sender().round()
    reasons = await service.pool.fetch(
        "SELECT reason FROM messages WHERE template = 'order_confirmation' AND state = 'skipped'"
    )
    assert [row["reason"] for row in reasons] == ["the order was paid or cancelled meanwhile"]


async def test_a_confirmation_that_is_fresh_or_of_another_order_is_sent(
    service: Notification,
) -> None:
    await service.deliver(event_of(order_created(order_id=uuid7())))
    await waited(service, STALE_S + 1)
    await service.deliver(event_of(order_created()), event_of(order_paid()))
    await service.sender().round()
    assert (await service.states()).count(("order_confirmation", "email", "sent")) == 2


async def templates_tried(service: Notification) -> Counter[str]:
    rows = await service.pool.fetch("SELECT template FROM messages WHERE attempts > 0")
    return Counter(row["template"] for row in rows)


async def test_a_cancelled_session_makes_nobody_wait_for_a_confirmation(
    service: Notification,
) -> None:
    """Its mails are older and many; they have a quarter of the places, and all that are left."""
    await rush(service, 20)
    await service.pool.execute("UPDATE messages SET template = 'session_cancelled'")
    await waited(service, 2)
    await rush(service, 8)
    sender = service.sender(at_once=8)
    await sender.round()
    assert await templates_tried(service) == {"order_confirmation": 6, "session_cancelled": 2}
    await sender.round()
    assert await templates_tried(service) == {"order_confirmation": 8, "session_cancelled": 8}
    await sender.round()
    assert await templates_tried(service) == {"order_confirmation": 8, "session_cancelled": 16}


async def test_each_lane_of_mails_has_its_index(service: Notification) -> None:
    """As long as a lane's condition is word for word its index's."""
    sql = (ROOT / "notification/messages/sql/messages.sql").read_text(encoding="utf-8")
    lanes = {"NOT IN": "messages_due_singly", "IN": "messages_due_in_bulk"}
    async with service.pool.acquire() as tx, tx.transaction():
        await tx.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        for lane, index in lanes.items():
            condition = (
                f"state = 'due' AND template {lane} ('session_cancelled', 'refund_succeeded')"
            )
            assert condition in sql
            query = (
                f"EXPLAIN SELECT 1 FROM messages WHERE {condition} ORDER BY next_attempt LIMIT 8"
            )
            assert index in "\n".join(row[0] for row in await tx.fetch(query))


async def test_a_mail_stored_as_mime_can_still_be_read(service: Notification) -> None:
    mail = EmailMessage(policy=SMTP)
    mail["Message-ID"], mail["To"] = "<1@stampede.example>", "lilei@example.com"
    mail.set_content("您好\n")
    mail.add_alternative("<p>您好</p>", subtype="html")
    await service.pool.execute(
        "INSERT INTO mailbox (mail_id, channel, header_id, recipient, subject, mime)"
        " VALUES ($1, 'email', '<1@stampede.example>', 'lilei@example.com', '订单', $2)",
        uuid7(), mail.as_bytes(),
    )  # fmt: skip
    _, _, body = await service.get("/dev/mailbox.json")
    (read,) = msgspec.json.decode(body)["mails"]
    assert read["text"].strip() == "您好"
    assert read["html"].strip() == "<p>您好</p>"
    assert read["headers"]["Message-ID"] == "<1@stampede.example>"


async def test_events_are_kept_as_they_came(service: Notification) -> None:
    created = event_of(order_created())
    await service.deliver(created)
    kept = await service.pool.fetchval("SELECT event FROM messages")
    assert msgspec.json.decode(kept)["data"] == msgspec.json.decode(created.data)
    assert msgspec.json.decode(kept)["type"] == ORDER_CREATED
