"""Mails through a real SMTP conversation: taken, refused for ever, refused for now, cut off."""

import msgspec
import pytest

from notification.messages.channels import SmtpChannel
from notification.outgoing import Outgoing, SendFailed, Undeliverable
from tests.support.notification import running_notification
from tests.support.orders import event_of, order_created, order_paid
from tests.support.smtp import FakeSmtp, Reply, running_smtp

SENDER = "Stampede <tickets@stampede.example>"
MESSAGE = Outgoing(
    header_id="<1.order_confirmation.email@stampede.example>",
    recipient="lilei@example.com",
    language="zh",
    subject="订单待付款：周杰伦",
    text="您好，李雷\n.\n一行以点开头\n",
    html="<p>您好，李雷</p>",
)


def refusing(verb: str, answer: str) -> Reply:
    return lambda line: answer if line.startswith(verb) else None


def channel(fake: FakeSmtp, credentials: str = "") -> SmtpChannel:
    return SmtpChannel(f"smtp://{credentials}127.0.0.1:{fake.port}", SENDER)


async def test_a_mail_arrives_with_both_parts_and_its_chinese_whole() -> None:
    async with running_smtp() as fake:
        await channel(fake).send(MESSAGE)
        (mail,) = fake.mails
    assert mail["Message-ID"] == MESSAGE.header_id
    assert mail["Subject"] == MESSAGE.subject
    assert (mail["From"], mail["To"]) == (SENDER, "lilei@example.com")
    assert mail["Auto-Submitted"] == "auto-generated"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == MESSAGE.text
    assert html.get_content().strip() == MESSAGE.html
    assert fake.logins == []


async def test_credentials_from_the_url_are_used() -> None:
    async with running_smtp() as fake:
        await channel(fake, "user%40x:p%3Ass@").send(MESSAGE)
        assert len(fake.logins) == 1


async def test_credentials_never_go_over_an_open_line_to_another_machine() -> None:
    async with running_smtp() as fake:
        url = f"smtp://u:p@127.0.0.1:{fake.port}"
        wary = SmtpChannel(url, SENDER, is_here=lambda _host: False)
        with pytest.raises(SendFailed):
            await wary.send(MESSAGE)
        assert fake.logins == []
        assert fake.mails == []


@pytest.mark.parametrize("verb", ["RCPT", "(the mail"])
async def test_a_refusal_for_ever_is_told_from_one_for_now_and_names_nobody(verb: str) -> None:
    async with running_smtp() as fake:
        for code, kind in (("550", Undeliverable), ("451", SendFailed)):
            fake.reply = refusing(verb, f"{code} 5.1.1 lilei@example.com is unknown here")
            with pytest.raises(kind, match=code) as refused:
                await channel(fake).send(MESSAGE)
            assert "@" not in str(refused.value)


async def test_a_server_that_hangs_up_or_is_not_there_is_tried_again() -> None:
    async with running_smtp() as fake:
        fake.reply = lambda line: "" if line.startswith("MAIL") else None
        with pytest.raises(SendFailed):
            await channel(fake).send(MESSAGE)
        port = fake.port
    with pytest.raises(SendFailed):
        await SmtpChannel(f"smtp://127.0.0.1:{port}", SENDER).send(MESSAGE)


async def test_an_address_that_no_mail_can_have_is_given_up() -> None:
    async with running_smtp() as fake:
        evil = msgspec.structs.replace(MESSAGE, recipient="a@b.example\r\nBcc: all@example.com")
        with pytest.raises(Undeliverable):
            await channel(fake).send(evil)
        assert fake.mails == []


async def test_an_order_goes_through_smtp_and_its_resend_has_the_same_message_id(
    database_url: str,
) -> None:
    async with (
        running_smtp() as fake,
        running_notification(
            database_url, smtp_url=f"smtp://127.0.0.1:{fake.port}", mail_from=SENDER
        ) as service,
    ):
        await service.deliver(event_of(order_created()), event_of(order_paid()))
        fake.reply = lambda line: "" if line == "(the mail is here)" else None  # taken, not said so
        await service.sender().round()
        assert len(fake.mails) == 2
        fake.reply = lambda line: None
        await service.make_due()
        await service.sender().round()
        assert [state for *_, state in await service.states()] == ["sent", "sent"]
        assert len(fake.mails) == 4
        assert len({mail["Message-ID"] for mail in fake.mails}) == 2
        assert await service.pool.fetchval("SELECT count(*) FROM mailbox") == 0
