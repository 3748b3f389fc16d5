"""The wall: numbers that move, seats that sell out, and data that says when it is late."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from runtime.demo.loading import ACCOUNTS
from tests.browser.conftest import PHONE, Visit
from tests.browser.sale import SmallSale
from tests.browser.storefront import Shop
from tests.browser.test_accessibility import findings

ADMIN, BUYER = ACCOUNTS.of("admin"), ACCOUNTS.of("customer")
WITHIN_MS = 15_000


async def log_in(shop: Shop, email: str, password: str) -> Page:
    page = shop.page
    await page.goto(f"{shop.url}/wall")
    await page.fill("#field-email", email)
    await page.fill("#field-password", password)
    await page.click("button[type=submit]")
    return page


async def watch(shop: Shop) -> Page:
    page = await log_in(shop, ADMIN.email, ADMIN.password)
    await expect(page.locator(".live:not(.is-late)")).to_be_visible(timeout=WITHIN_MS)
    return page


def card(page: Page, sale: SmallSale) -> Any:
    return page.locator(".session", has_text=sale.show["title"])


async def steer(page: Page, sale: SmallSale) -> None:
    """Pauses and resumes it. Every page of this says which session, and why."""
    session, drawer = card(page, sale), page.locator("dialog.drawer")
    await session.get_by_role("button", name="Control the sale").click()
    await expect(drawer).to_contain_text("小剧场")
    for turn, state in (("Pause the sale", "Paused"), ("Resume the sale", "On sale")):
        form = drawer.locator("form").first
        await form.get_by_label("Reason").fill(f"{turn}: fire alarm")
        await form.get_by_role("button", name=turn).click()
        await expect(session.locator(".sale-state")).to_have_text(state, timeout=WITHIN_MS)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Log of changes").click()
    newest = drawer.locator(".action").first
    for told in (sale.show["title"], "小剧场", "Resume the sale: fire alarm", ADMIN.email):
        await expect(newest).to_contain_text(told)
    await page.keyboard.press("Escape")


async def test_the_wall_follows_a_sale_to_its_end_and_says_when_its_data_is_late(
    visit: Visit,
) -> None:
    shop = await visit("en", refusals=True)
    await shop.page.clock.install()  # it runs on, and can be set forward
    page = await watch(shop)
    sale = await SmallSale(shop).open(hours_ago=0)  # the last to open, so it is shown for sure
    await sale.buy(sale.seated, 2)
    session = card(page, sale)
    await expect(session.locator(".sale-state")).to_have_text("On sale", timeout=WITHIN_MS)
    await expect(session.locator(".of-held dd")).to_have_text("2")
    front = session.locator(".heat-tile", has_text="前排")
    await expect(front).to_contain_text("67%")
    await expect(front).to_contain_text("1 free")
    # Sums begin anew with the sale that opened last.
    await expect(page.locator(".tile-orders .tile-sum")).to_have_text(re.compile(r"^[1-9]"))
    await steer(page, sale)
    await sale.buy(sale.seated, 1)
    await sale.buy(sale.standing, 3)
    await expect(session.locator(".sale-state")).to_have_text("Sold out", timeout=WITHIN_MS)
    await expect(front).to_have_attribute("data-level", "full")
    await expect(page.locator(".panel.is-late")).to_have_count(0)
    assert await findings(shop, "the wall") == []

    await page.route("**/operations/wall", lambda route: route.fulfill(status=429, json={}))
    await page.evaluate("window.stop()")  # the stream ends, and does not come back
    await page.clock.fast_forward(8_000)
    await expect(page.locator(".live.is-late")).to_contain_text("Late:", timeout=WITHIN_MS)
    traffic = page.locator(".panel-traffic .late")
    await expect(traffic).to_contain_text("s old")
    assert await findings(shop, "late data") == []
    await page.unroute("**/operations/wall")
    await page.clock.fast_forward(20_000)
    await expect(page.locator(".live:not(.is-late)")).to_be_visible(timeout=WITHIN_MS)
    await expect(traffic).to_be_hidden()


@pytest.mark.long
async def test_the_wall_is_readable_in_chinese_in_the_dark_and_in_a_hand(visit: Visit) -> None:
    shop = await visit("zh", refusals=True, color_scheme="dark")
    page = await watch(shop)
    await expect(page.locator("h1")).to_have_text("开售大屏")
    await expect(page.locator(".panel-audit h2")).to_have_text("审计")
    await page.click('.segmented [data-window="hour"]')
    assert await findings(shop, "dark") == []
    await page.set_viewport_size(PHONE["viewport"])
    assert await findings(shop, "phone") == []
    width = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    for tool in ("追踪请求", "操作记录"):
        await page.get_by_role("button", name=tool).click()
        await expect(page.locator("dialog.drawer h2")).to_have_text(tool)
        await page.keyboard.press("Escape")
        await expect(page.locator("dialog")).to_have_count(0)


async def test_a_customer_is_told_that_the_wall_is_not_for_them(visit: Visit) -> None:
    shop = await visit("en")
    page = await log_in(shop, BUYER.email, BUYER.password)
    await expect(page.get_by_role("alert").last).to_contain_text("Only admins and operators")
    await expect(page.locator(".board")).to_have_count(0)
