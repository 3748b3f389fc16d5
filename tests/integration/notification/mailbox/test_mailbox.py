"""The mailbox in the browser: everything sent is there, and none of it runs."""

from typing import Any

import msgspec
import pytest

from chassis.ids import uuid7
from tests.support.notification import Notification, running_notification
from tests.support.orders import (
    USER_ID,
    event_of,
    order_cancelled,
    order_created,
    order_paid,
)

EVIL = "<script>alert(1)</script>"


async def mails(service: Notification, query: str = "") -> list[dict[str, Any]]:
    status, headers, body = await service.get(f"/dev/mailbox.json{query}")
    assert (status, headers["content-type"]) == (200, "application/json")
    found: list[dict[str, Any]] = msgspec.json.decode(body)["mails"]
    return found


async def test_a_sent_mail_can_be_listed_and_opened(database_url: str) -> None:
    async with running_notification(database_url) as service:
        await service.deliver(event_of(order_created()))
        await service.sender().round()
        (mail,) = await mails(service)
        assert mail["to"] == "lilei@example.com"
        assert mail["subject"] == "订单待付款：周杰伦 2026 世界巡回演唱会（ST-20260815-7K3M）"
        assert "¥1,860.00" in mail["text"]
        assert "¥1,860.00" in mail["html"]
        assert mail["headers"]["Content-Language"] == "zh"

        status, headers, page = await service.get("/dev/mailbox")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert mail["subject"] in page.decode()
        assert f"/dev/mailbox/{mail['mail_id']}" in page.decode()

        for accepts, words in (("en", "All messages"), ("zh", "全部消息")):
            status, _, page = await service.get(
                f"/dev/mailbox/{mail['mail_id']}", [(b"accept-language", accepts.encode())]
            )
            assert status == 200
            assert "Message-ID" in page.decode()
            assert words in page.decode()
        status, headers, css = await service.get("/dev/mailbox/mailbox.css")
        assert (status, headers["content-type"]) == (200, "text/css; charset=utf-8")
        assert css


async def test_the_newest_mail_comes_first_and_a_recipient_finds_only_theirs(
    database_url: str,
) -> None:
    async with running_notification(database_url) as service:
        other = uuid7()
        service.identity.add(other, email="han@example.com", locale="en")
        for event in (event_of(order_created()), event_of(order_cancelled(user_id=other))):
            await service.deliver(event)
            await service.sender().round()
        assert [one["to"] for one in await mails(service)] == [
            "han@example.com",
            "lilei@example.com",
        ]
        assert [one["to"] for one in await mails(service, "?to=LiLei@example.com")] == [
            "lilei@example.com"
        ]
        assert await mails(service, "?to=nobody%00@example.com") == []
        for accepts, lang, words in (
            ("en", "en", "No mail yet for nobody@example.com"),
            ("zh-TW", "zh-CN", "还没有发给 nobody@example.com 的邮件"),
            ("tlh", "zh-CN", "还没有发给 nobody@example.com 的邮件"),
        ):
            status, _, page = await service.get(
                "/dev/mailbox?to=nobody@example.com", [(b"accept-language", accepts.encode())]
            )
            assert status == 200
            assert words in page.decode()
            assert f'<html lang="{lang}">' in page.decode()
            assert "<code>STAMPEDE_SMTP_URL</code>" in page.decode()


async def test_an_sms_lands_there_as_well(database_url: str) -> None:
    async with running_notification(database_url) as service:
        service.identity.add(USER_ID, phone="+8613800138000")
        await service.deliver(event_of(order_paid()))
        await service.sender().round()
        await service.sender().round()
        (sms,) = await mails(service, "?to=%2B8613800138000")
        assert (sms["channel"], sms["html"]) == ("sms", None)
        assert sms["text"].startswith("【Stampede】您已成功购买")
        status, _, page = await service.get(f"/dev/mailbox/{sms['mail_id']}")
        assert status == 200
        assert "<iframe" not in page.decode()


async def test_mail_content_is_framed_in_a_sandbox_and_may_run_nothing(database_url: str) -> None:
    async with running_notification(database_url) as service:
        service.identity.add(USER_ID, full_name=EVIL)
        await service.deliver(event_of(order_created(title=EVIL)))
        await service.sender().round()
        (mail,) = await mails(service)
        for path in ("/dev/mailbox", f"/dev/mailbox/{mail['mail_id']}"):
            _, headers, page = await service.get(path)
            assert b"<script" not in page
            assert b"&lt;script&gt;" in page
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "script-src" not in policy
        assert b'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
        _, headers, content = await service.get(f"/dev/mailbox/{mail['mail_id']}/content")
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "sandbox allow-popups" in policy
        assert "allow-scripts" not in policy
        assert "allow-same-origin" not in policy
        assert "img-src 'self' data: http://localhost:8000;" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert b"<script" not in content


@pytest.mark.parametrize(
    "settings", [{"demo": False}, {"smtp_url": "smtp://127.0.0.1:1"}], ids=["no demo", "smtp"]
)
async def test_outside_demo_mode_or_with_smtp_there_is_no_mailbox(
    database_url: str, settings: dict[str, Any]
) -> None:
    async with running_notification(database_url, **settings) as service:
        for path in (
            "/dev/mailbox",
            "/dev/mailbox.json",
            "/dev/mailbox/mailbox.css",
            f"/dev/mailbox/{uuid7()}",
            f"/dev/mailbox/{uuid7()}/content",
        ):
            status, headers, body = await service.get(path)
            assert (status, headers["content-type"]) == (404, "application/problem+json"), path
            assert msgspec.json.decode(body)["code"] == "not-found"


async def test_an_unknown_mail_is_not_found_and_an_endless_query_refused(database_url: str) -> None:
    async with running_notification(database_url) as service:
        assert (await service.get(f"/dev/mailbox/{uuid7()}"))[0] == 404
        assert (await service.get("/dev/mailbox/nonsense"))[0] == 404
        assert (await service.get(f"/dev/mailbox.json?to={'x' * 400}"))[0] == 400


async def test_a_mail_stored_twice_is_there_once(database_url: str) -> None:
    async with running_notification(database_url) as service:
        await service.deliver(event_of(order_cancelled()))
        await service.sender().round()
        await service.pool.execute(
            "UPDATE messages SET state = 'due', next_attempt = now(), ended_at = NULL"
        )
        assert await service.sender().round() == 1
        assert len(await mails(service)) == 1
