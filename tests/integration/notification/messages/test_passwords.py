"""Mails about passwords: the link is made when its mail is written, and is nowhere but in it."""

from collections.abc import AsyncIterator

import pytest

from chassis.events.inbox import Inbox, list_dead, retry
from notification.messages.planning import plan_messages
from notification.outgoing import Outgoing, SendFailed, Undeliverable
from tests.support.notification import (
    Notification,
    RecordedLines,
    password_changed,
    password_reset_asked,
    running_notification,
)
from tests.support.orders import USER_ID


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


async def everything_kept(service: Notification) -> str:
    """All that notification has stored, but for the mailbox, which is the reader's."""
    names = await service.pool.fetch(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'notification' AND table_name <> 'mailbox'"
    )
    return " ".join(
        [
            await service.pool.fetchval(f"SELECT string_agg(t::text, '') FROM {name} t") or ""
            for (name,) in names
        ]
    )


@pytest.mark.parametrize("locale", ["en", "zh"])
async def test_the_link_is_in_the_mail_and_nowhere_else(service: Notification, locale: str) -> None:
    service.identity.add(USER_ID, locale=locale)
    asked = password_reset_asked(service)
    await service.deliver(asked, asked)
    channel = Scripted()
    assert await service.sender({"email": channel}).round() == 1
    (mail,) = channel.sent
    assert (mail.recipient, mail.language) == ("lilei@example.com", locale)
    assert "/#/reset?token=link-0" in mail.text
    assert "/#/reset?token=link-0" in (mail.html or "")
    assert "link-0" not in mail.subject + mail.header_id
    assert "link-0" not in await everything_kept(service)
    assert service.identity.request_ids == ["asked-for-it"]


async def test_each_attempt_has_a_link_and_a_name_of_its_own(service: Notification) -> None:
    """Mail programs drop what they know by its Message-ID, and the older link is dead."""
    await service.deliver(password_reset_asked(service))
    channel = Scripted(SendFailed("SMTP: connection lost"))
    sender = service.sender({"email": channel})
    await sender.round()
    await service.make_due()
    await sender.round()
    (mail,) = channel.sent
    assert "link-1" in mail.text
    assert mail.header_id.endswith(".password_reset.email.2@stampede.example>")


async def test_a_link_that_nobody_waits_for_is_not_mailed(service: Notification) -> None:
    await service.deliver(password_reset_asked(service))
    service.identity.resets.clear()
    channel = Scripted()
    await service.sender({"email": channel}).round()
    assert channel.sent == []
    assert await service.states() == [("password_reset", "email", "skipped")]


async def test_identity_away_is_waited_for(service: Notification) -> None:
    await service.deliver(password_reset_asked(service))
    channel = Scripted()
    sender = service.sender({"email": channel})
    service.identity.down = True
    await sender.round()
    assert await service.states() == [("password_reset", "email", "due")]
    service.identity.down = False
    await service.make_due()
    await service.sender({"email": channel}).round()
    assert len(channel.sent) == 1


async def test_a_dead_letter_holds_no_link_and_sent_back_it_opens_nothing(
    service: Notification,
) -> None:
    await service.deliver(password_reset_asked(service))
    channel = Scripted(Undeliverable("SMTP 550: recipient refused"))
    await service.sender({"email": channel}).round()
    async with service.pool.acquire() as db:
        (letter,) = await list_dead(db)
        assert "link-0" not in await everything_kept(service)
        assert letter.event_id
        service.identity.resets.clear()  # half an hour later
        assert await retry(db) == 1
    inbox = Inbox(service.pool, "notification", plan_messages, RecordedLines())
    assert await inbox.retry_due() == 1
    await service.sender({"email": channel}).round()
    assert channel.sent == []
    assert await service.states() == [("password_reset", "email", "skipped")]


async def test_a_change_is_told_to_the_accounts_owner(service: Notification) -> None:
    await service.deliver(password_changed(by_link=True), password_changed(by_link=False))
    channel = Scripted()
    await service.sender({"email": channel}).round()
    assert [mail.subject for mail in channel.sent] == ["您的密码已修改"] * 2
    assert len({mail.text for mail in channel.sent}) == 2


async def test_organizers_systems_are_told_nothing_of_passwords(service: Notification) -> None:
    await service.deliver(password_reset_asked(service), password_changed(by_link=True))
    assert await service.pool.fetchval("SELECT count(*) FROM webhook_events") == 0
