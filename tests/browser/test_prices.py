"""A grown-up and a child: what is shown first is what is paid, and each ticket says whom it is for."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import DESKTOP, PHONE, Visit
from tests.browser.sale import SmallSale
from tests.browser.storefront import Shop

SHEET: dict[str, Any] = {
    "price_categories": [
        {"key": "adult", "name": "成人"},
        {"key": "child", "name": "儿童", "percent": 50, "max_per_order": 1, "proof": "身份证"},
    ],
    "fees": [
        {"key": "service", "name": "服务费", "per": "ticket", "basis_points": 250},
        {"key": "order", "name": "订单处理费", "per": "order", "amount": 300},
        {"key": "sales", "name": "渠道费", "per": "ticket", "amount": 99, "borne_by": "organizer"},
    ],
    "taxes": [{"name": "增值税", "rate": 600}],
}
# 20000 and 10000; 500 and 250 for service; 300 an order. 6% is contained: 1132, 566 and, in the fees, 40, 20.
WHOLE, TAX = "¥310.50", "¥17.58"
Choice = Callable[[Shop, SmallSale], Awaitable[None]]
SIZES = {"desk": {"viewport": DESKTOP}, "phone": PHONE}


async def amount(place: Locator) -> str:
    found = re.search(r"¥[\d,]+(\.\d\d)?", await place.inner_text())
    assert found is not None
    return found[0]


async def choose_best(shop: Shop, sale: SmallSale) -> None:
    menu = shop.page.locator("#best-area")
    if await menu.is_visible():
        await menu.select_option(f"area {sale.seated}")
    else:
        await shop.page.check(f'input[value="{sale.seated}"]', force=True)
    await shop.page.click('[data-step="child 1"]')
    await expect(shop.page.locator('[data-step="child 1"]')).to_be_disabled()  # one an order


async def pick_on_the_list(shop: Shop, _: SmallSale) -> None:
    await shop.page.click(".board-switch")
    chips = shop.page.locator('.list-seats .chip[aria-pressed="false"]:not([aria-disabled])')
    await chips.first.click()
    await chips.first.click()
    menus = shop.page.locator(".basket-category")
    await menus.nth(1).select_option("child")
    await expect(menus.nth(0).locator('option[value="child"]')).to_be_disabled()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("choose", [choose_best, pick_on_the_list])
async def test_the_price_shown_first_is_what_a_family_pays(
    visit: Visit, size: str, choose: Choice
) -> None:
    shop = await visit("zh", **SIZES[size])
    page = shop.page
    await shop.register()
    sale = await SmallSale(shop, **SHEET).open()
    await shop.open(f"/sessions/{sale.session_id}")
    await choose(shop, sale)
    await expect(page.locator(".total b")).to_have_text(WHOLE)
    await expect(page.locator(".total small")).to_contain_text("¥10.50")  # of which fees
    assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    await page.click(".panel-foot .button")
    await expect(page.locator(".payment")).to_be_visible()
    items = page.locator(".items li")
    await expect(items).to_contain_text(["成人", "儿童", "服务费", "订单处理费"])
    assert [await amount(items.nth(n)) for n in range(4)] == ["¥200", "¥100", "¥7.50", "¥3"]
    await expect(page.locator(".items")).not_to_contain_text("渠道费")
    await expect(page.locator(".summary-tax")).to_contain_text(TAX)
    assert await amount(page.locator(".payment button[type=submit]")) == WHOLE
    await shop.pay("tok_ok")
    tickets = page.locator(".ticket")
    await expect(tickets).to_contain_text(["成人", "儿童"])
    await expect(tickets.nth(1)).to_contain_text("身份证")
    assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


async def test_whole_prices_stand_on_the_show_s_page_and_filters_tell_them_apart(
    visit: Visit,
) -> None:
    shop = await visit("zh")
    sale = await SmallSale(shop, **SHEET).open()
    await shop.open(f"/shows/{sale.show['show_id']}")
    prices = shop.page.locator(".area-price")
    await expect(prices).to_have_text(["¥208", "¥105.50"])
    await shop.open(f"/sessions/{sale.session_id}")
    chips = shop.page.locator(".map-filters .chip[data-price]")
    await expect(chips).to_have_text(["¥208", "¥105.50"])
    await chips.first.click()
    await expect(shop.page.locator("#announcer")).to_contain_text("3")
