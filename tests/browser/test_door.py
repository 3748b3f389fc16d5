"""The door on a screen: whose door it is, green, red, and why."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from runtime.demo.loading import ACCOUNTS
from tests.browser.storefront import PASSWORD, Shop, Watch
from tests.browser.test_pages import SMALL_PHONE
from tests.support.api import Api, publish_session

FAR_AWAY = "America/Los_Angeles"  # the reader's own clock: fifteen hours behind the venue's


@pytest.fixture
async def phone(browser: Browser, watch: Watch) -> AsyncIterator[Page]:
    context = await browser.new_context(**SMALL_PHONE, timezone_id=FAR_AWAY)
    context.set_default_timeout(15_000)
    await watch.attach(context)
    yield await context.new_page()
    await context.close()


async def token_of(shop: Shop, email: str, password: str) -> str:
    login = {"email": email, "password": password}
    answer = await shop.page.request.post(f"{shop.url}/api/v1/auth/login", data=login)
    return str((await answer.json())["access_token"])


async def bought_ticket(shop: Shop, session: Any) -> Any:
    """A ticket, bought past the pages."""
    request, base = shop.page.request, f"{shop.url}/api/v1"
    token = await token_of(shop, await shop.make_account(), PASSWORD)
    headers = {"Authorization": f"Bearer {token}"}
    area = max(session["seat_areas"], key=lambda one: one["available"])
    wanted = {"session_id": session["session_id"], "seat_area_id": area["area_id"], "quantity": 1}
    made = await request.post(f"{base}/orders", data=wanted, headers=headers)
    order_id = (await made.json())["order_id"]
    money = {"payment_method": "alipay", "payment_token": "tok_ok"}
    paid = await request.post(f"{base}/orders/{order_id}/pay", data=money, headers=headers)
    ticket_id = (await paid.json())["tickets"][0]["ticket_id"]
    return await (await request.get(f"{base}/tickets/{ticket_id}", headers=headers)).json()


async def session_tonight(shop: Shop) -> Any:
    """One that begins in an hour, at the demo's organizer's own."""
    organizer = ACCOUNTS.of("organizer")
    token = await token_of(shop, organizer.email, organizer.password)
    now = datetime.now(UTC)
    times = {"starts_at": now + timedelta(hours=1), "sale_closes_at": now + timedelta(minutes=50)}
    api = Api(shop.url)
    changes = {name: moment.isoformat() for name, moment in times.items()}
    session = await publish_session(api, token, **changes)
    await api.close()
    return session


async def open_door(shop: Shop) -> None:
    staff = ACCOUNTS.of("staff")
    await shop.open("/login?next=%2Fdoor")
    await shop.page.fill("#field-email", staff.email)
    await shop.page.fill("#field-password", staff.password)
    await shop.page.click(".account-form button[type=submit]")
    verdict = shop.page.locator(".door-verdict")
    await expect(verdict).to_have_attribute("data-verdict", "ready")


async def scan(shop: Shop, code: str, word: str, *words: str) -> None:
    await shop.page.fill("#field-code", code)
    await shop.page.press("#field-code", "Enter")
    verdict = shop.page.locator(".door-verdict")
    await expect(verdict).to_have_attribute("data-verdict", word)
    for said in words:
        await expect(verdict).to_contain_text(said)
    width = await shop.page.evaluate("document.documentElement.scrollWidth")
    assert width <= shop.page.viewport_size["width"]  # type: ignore[index]


def chinese_date(iso: str) -> str:
    local = datetime.fromisoformat(iso) + timedelta(hours=8)
    return f"{local.year}年{local.month}月{local.day}日"


async def test_staff_see_green_once_and_red_afterwards(shop: Shop, watch: Watch) -> None:
    watch.refusals_expected = True
    session = await shop.session_on_sale()
    ticket = await bought_ticket(shop, session)
    await open_door(shop)
    await shop.page.fill("#field-gate", "南门 1")
    await shop.page.select_option("#field-session", session["session_id"])
    await scan(shop, ticket["code"], "in", "林小满", "周杰伦", chinese_date(session["date"]))
    await scan(shop, ticket["code"], "out", "南门 1", "中国标准时间")
    await scan(shop, ticket["code"][:-3], "out", "伪造")


async def test_the_door_is_that_of_what_is_on_now_until_staff_choose_another(
    phone: Page, storefront_url: str, watch: Watch
) -> None:
    """At phone size, far from the venue; whatever the reader's clock shows, dates are the venue's."""
    watch.refusals_expected = True
    shop = Shop(phone, storefront_url)
    tonight, later = await session_tonight(shop), await shop.session_on_sale()
    now, then = await bought_ticket(shop, tonight), await bought_ticket(shop, later)
    await open_door(shop)
    chosen = phone.locator("#field-session")
    await expect(chosen).to_have_value(tonight["session_id"])
    await expect(phone.locator(".door-session")).to_have_attribute("data-door", "open")
    told = ("周杰伦", chinese_date(later["date"]), "中国标准时间", "上海体育场")
    await scan(shop, then["code"], "out", "这张票是另一场的", *told)
    await scan(shop, now["code"], "in", "测试演出", chinese_date(tonight["date"]))
    await chosen.select_option(later["session_id"])
    await expect(phone.locator(".door-session")).to_have_attribute("data-door", "early")
    await expect(phone.locator(".door-session")).to_contain_text("现在不是这场的检票时间")
    await scan(shop, then["code"], "in", *told, "不是正在检票的场次")
    await phone.reload()
    await expect(chosen).to_have_value(later["session_id"])
    assert watch.found == []


async def test_a_scan_waits_until_a_session_is_chosen(shop: Shop, watch: Watch) -> None:
    """Where several are on, or none, the page does not guess."""
    session = await shop.session_on_sale()
    ticket = await bought_ticket(shop, session)
    asked: list[str] = []
    shop.page.on("request", lambda one: asked.append(f"{one.method} {one.url}"))
    await shop.page.route("**/api/v1/check-ins/sessions", lambda route: route.fulfill(json=NOTHING))
    await open_door(shop)
    await scan(shop, ticket["code"], "unknown", "请选择场次")
    await expect(shop.page.locator("#field-session")).to_be_focused()
    assert not [one for one in asked if one.startswith("POST") and one.endswith("/check-ins")]


NOTHING: dict[str, Any] = {"sessions": []}
