"""Every mail in every language: it says what it must, in its reader's way, and runs nothing."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chassis.languages import LANGUAGES
from contracts.booking import REFUND_APPROVED, REFUND_REQUESTED
from contracts.identity import PasswordChanged, PasswordResetAsked
from contracts.notification import SUBSCRIBES_TO
from contracts.seats import seat_line
from notification.messages.planning import KINDS, MESSAGES, messages_of
from notification.messages.rendering import Renderer, money, when
from notification.webhooks.payloads import TOLD
from tests.support.orders import (
    order_cancelled,
    order_created,
    order_paid,
    payment_refunded,
    refund,
    ticket_transferred,
)

RENDERER = Renderer("https://tickets.example", "en")
MAILS: dict[str, Any] = {
    "order_confirmation": order_created,
    "payment_receipt": order_paid,
    "order_cancellation": order_cancelled,
    "payment_refund": payment_refunded,
    "refund_requested": refund,
    "refund_approved": refund,
    "refund_rejected": refund,
    "refund_succeeded": refund,
    "session_cancelled": refund,
    "ticket_received": ticket_transferred,
    "ticket_sent": ticket_transferred,
}
EXPIRES_AT = datetime(2026, 7, 1, 4, 15, tzinfo=UTC)
EVIL = '<script>alert(1)</script> & "><img src=x onerror=alert(2)>'

every_mail = pytest.mark.parametrize("template", MAILS)
every_language = pytest.mark.parametrize("language", LANGUAGES)


@every_mail
@every_language
def test_a_mail_has_subject_text_and_html_that_name_the_order(template: str, language: str) -> None:
    mail = RENDERER.mail(template, language, MAILS[template](), "李雷")
    assert mail.html is not None
    for part in (mail.subject, mail.text, mail.html):
        assert "周杰伦 2026 世界巡回演唱会" in part
        assert "ST-20260815-7K3M" in part or part is mail.subject
        assert "{{" not in part
        assert "{%" not in part
    assert "李雷" in mail.text
    assert "李雷" in mail.html
    assert "\n" not in mail.subject
    assert "https://tickets.example" in mail.text
    assert "https://tickets.example" in mail.html


@every_mail
@every_language
def test_what_others_wrote_stays_text(template: str, language: str) -> None:
    order = MAILS[template](title=EVIL)
    mail = RENDERER.mail(template, language, order, EVIL)
    assert mail.html is not None
    assert "<script" not in mail.html
    assert "<img src=x" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert "<script>alert(1)</script>" in mail.text  # plain text shows it as it was written


@every_language
def test_area_names_and_rows_are_escaped_too(language: str) -> None:
    created = order_created()
    items = [type(created.items[0])(1, created.items[0].area_id, EVIL, EVIL, 3, 100)]
    for mail in (
        RENDERER.mail("order_confirmation", language, order_created(items=items), "A"),
        RENDERER.mail("payment_receipt", language, order_paid(items=items, tickets=[]), "A"),
    ):
        assert mail.html is not None
        assert "<script" not in mail.html
        assert "&lt;script&gt;" in mail.html


@every_language
def test_what_a_promo_code_took_off_is_in_the_mail(language: str) -> None:
    for mail in (
        RENDERER.mail("order_confirmation", language, order_created(total_amount=167_400), "李雷"),
        RENDERER.mail("payment_receipt", language, order_paid(total_amount=167_400), "李雷"),
    ):
        for part in (mail.text, mail.html or ""):
            assert money(18_600, "CNY", language) in part
            assert money(167_400, "CNY", language) in part
    plain = RENDERER.mail("payment_receipt", language, order_paid(), "李雷")
    assert money(18_600, "CNY", language) not in plain.text
    assert "优惠" not in plain.text
    assert "Off:" not in plain.text


@every_language
def test_a_transferred_ticket_shows_its_new_code_to_its_new_holder_only(language: str) -> None:
    moved = ticket_transferred()
    received = RENDERER.mail("ticket_received", language, moved, "李雷")
    sent = RENDERER.mail("ticket_sent", language, moved, "李雷")
    for mail, shown in ((received, True), (sent, False)):
        for part in (mail.text, mail.html or ""):
            assert (moved.ticket.qr_code in part) is shown
            assert "https://tickets.example/#/tickets" in part


def test_the_confirmation_tells_the_deadline_on_the_venues_clock_in_chinese() -> None:
    mail = RENDERER.mail("order_confirmation", "zh", order_created(expires_at=EXPIRES_AT), "李雷")
    assert mail.subject == "订单待付款：周杰伦 2026 世界巡回演唱会（ST-20260815-7K3M）"
    for part in (mail.text, mail.html or ""):
        assert "2026年7月1日 星期三 12:15（中国标准时间）" in part
        assert "2026年8月15日 星期六 19:30（中国标准时间）" in part
        assert "¥1,860.00" in part
        assert "VIP A区 3排12座" in part
        assert "内场站席" in part
        assert "内场站席 7号" not in part, "a standing place has no number"


def test_the_confirmation_tells_the_deadline_on_the_venues_clock_in_english() -> None:
    order = order_created(expires_at=EXPIRES_AT, time_zone="Europe/London", currency="GBP")
    mail = RENDERER.mail("order_confirmation", "en", order, "Han Meimei")
    for part in (mail.text, mail.html or ""):
        assert "Wednesday, 1 July 2026, 05:15 (British Summer Time)" in part
        assert "£1,860.00" in part
        assert "VIP A区, row 3, seat 12" in part
        assert "内场站席, standing" in part


@every_language
def test_the_receipt_shows_each_ticket_as_picture_and_as_link(language: str) -> None:
    order = order_paid()
    mail = RENDERER.mail("payment_receipt", language, order, "李雷")
    assert mail.html is not None
    for ticket in order.tickets:
        assert f'<img src="{ticket.qr_code}"' in mail.html
        assert f'<a href="{ticket.qr_code}"' in mail.html
        assert ticket.qr_code in mail.text


@every_language
def test_a_cancellation_says_why(language: str) -> None:
    unpaid = RENDERER.mail("order_cancellation", language, order_cancelled(), "A").text
    asked = RENDERER.mail("order_cancellation", language, order_cancelled(reason="user"), "A").text
    assert unpaid != asked
    assert {"zh": "没有在规定时间内", "en": "not paid in time"}.get(language, "") in unpaid
    assert {"zh": "按您的要求", "en": "as you asked"}.get(language, "") in asked


@every_language
def test_a_cancellation_for_a_session_that_is_not_played_says_so(language: str) -> None:
    ended = order_cancelled(reason="session_cancelled")
    mail = RENDERER.mail("order_cancellation", language, ended, "A")
    for part in (mail.text, mail.html or ""):
        assert {"zh": "主办方已取消", "en": "organizer has cancelled"}.get(language, "") in part


@pytest.mark.parametrize("template", [name for name in MAILS if MAILS[name] is refund])
@every_language
def test_a_refund_tells_seats_money_fee_and_what_the_organizer_says(
    template: str, language: str
) -> None:
    mail = RENDERER.mail(template, language, refund(note=EVIL), "李雷")
    fee = money(12_800, "CNY", language)
    for part in (mail.text, mail.html or ""):
        assert seat_line("VIP A区", "3", 12, language) in part
        assert money(115_200, "CNY", language) in part
        assert (fee in part) is (template != "refund_rejected")  # nothing was kept there
    assert EVIL in mail.text
    assert "<script" not in (mail.html or "")
    free = RENDERER.mail(template, language, refund(fee=0, amount=128000), "李雷").text
    assert fee not in free
    assert "手续费：" not in free
    assert "Fee kept:" not in free


@every_language
def test_a_cancelled_session_is_told_with_its_reason_and_by_sms(language: str) -> None:
    told = refund(cause="session_cancelled", reason="台风 <b>", fee=0, amount=128000)
    mail = RENDERER.mail("session_cancelled", language, told, "李雷")
    assert "台风 <b>" in mail.text
    assert "台风 &lt;b&gt;" in (mail.html or "")
    sms = RENDERER.sms("session_cancelled", language, told, "李雷")
    assert " ".join(money(128_000, "CNY", language).split()) in sms.text
    assert "\n" not in sms.text


@every_language
def test_an_sms_is_one_paragraph_with_the_way_to_the_tickets(language: str) -> None:
    sms = RENDERER.sms("payment_receipt", language, order_paid(), "A")
    assert sms.html is None
    assert "\n" not in sms.text
    assert "https://tickets.example/#/orders/" in sms.text
    assert "ST-20260815-7K3M" in sms.text


def test_a_subject_cannot_grow_another_header() -> None:
    order = order_created(title="Show\r\nBcc: all@example.com\x00\u202e")
    subject = RENDERER.mail("order_confirmation", "en", order, "A").subject
    assert "Show Bcc: all@example.com" in subject
    assert not set(subject) & {"\r", "\n", "\x00", "\u202e"}


def test_money_follows_its_currency() -> None:
    assert money(128000, "CNY", "zh") == "¥1,280.00"
    assert money(128000, "CNY", "en") == "CN¥1,280.00"
    assert money(1280, "JPY", "en") == "¥1,280"
    assert money(1234, "BHD", "en").endswith("1.234")


def test_a_zone_that_this_machine_does_not_know_is_shown_as_utc() -> None:
    order = order_created(time_zone="Mars/Olympus_Mons")
    text = RENDERER.mail("order_confirmation", "en", order, "A").text
    assert "Saturday, 15 August 2026, 11:30 (Coordinated Universal Time)" in text
    assert when(EXPIRES_AT, UTC, "zh").startswith("2026年7月1日 星期三 04:15")


@every_language
def test_a_reset_mail_has_its_link_behind_the_hash_where_no_server_sees_it(language: str) -> None:
    asked = PasswordResetAsked(UUID(int=1), UUID(int=2))
    mail = RENDERER.mail("password_reset", language, asked, EVIL, "t-o_ken")
    link = "https://tickets.example/#/reset?token=t-o_ken"
    assert mail.html is not None
    assert link in mail.text
    assert f'<a href="{link}"' in mail.html
    assert "<script" not in mail.html
    assert "30" in mail.text
    assert "t-o_ken" not in mail.subject
    assert str(asked.reset_id) not in mail.text + mail.html


@every_language
def test_a_changed_password_is_told_with_a_way_back(language: str) -> None:
    mails = [
        RENDERER.mail("password_changed", language, PasswordChanged(UUID(int=1), by_link), "李雷")
        for by_link in (True, False)
    ]
    assert mails[0].text != mails[1].text
    for mail in mails:
        assert "https://tickets.example/#/forgot" in mail.text
        assert "https://tickets.example/#/forgot" in (mail.html or "")
        assert "李雷" in mail.text


def test_an_account_reads_its_own_language() -> None:
    language_of = RENDERER.language_of
    assert language_of("zh") == language_of("zh-Hans-CN") == language_of("zh_TW") == "zh"
    assert language_of("en-GB") == language_of("tlh") == language_of("") == "en"
    assert Renderer("https://tickets.example", "zh").language_of("tlh") == "zh"


def test_a_refund_is_mailed_about_once_a_step_and_not_when_nobody_had_to_say() -> None:
    waits, at_once = refund(), refund(automatic=True)
    session = refund(cause="session_cancelled", automatic=True)
    assert messages_of(REFUND_REQUESTED, waits) == (("refund_requested", "email"),)
    assert messages_of(REFUND_REQUESTED, at_once) == messages_of(REFUND_REQUESTED, session) == ()
    assert messages_of(REFUND_APPROVED, at_once) == (("refund_approved", "email"),)
    assert messages_of(REFUND_APPROVED, session) == (("session_cancelled", "email"),)
    assert set(MESSAGES) == set(KINDS)
    assert set(KINDS) | set(TOLD) == set(SUBSCRIBES_TO)


@every_language
@pytest.mark.parametrize(
    ("template", "reason"), [("order_cancellation", "note"), ("refund_succeeded", "reason")]
)
def test_a_cancelled_session_is_said_with_its_reason_and_only_then(
    language: str, template: str, reason: str
) -> None:
    why = {
        "order_cancellation": {"reason": "session_cancelled"},
        "refund_succeeded": {"cause": "session_cancelled"},
    }
    told = RENDERER.mail(
        template, language, MAILS[template](**why[template] | {reason: "台风来袭"}), "李雷"
    )
    other = RENDERER.mail(template, language, MAILS[template](), "李雷")
    for part in (told.text, told.html or ""):
        assert "台风来袭" in part
    for part in (other.text, other.html or ""):
        assert "主办方已取消" not in part
        assert "organizer has cancelled" not in part
