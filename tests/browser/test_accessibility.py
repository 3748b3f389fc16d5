"""axe on every page, in both languages, on a desk and in a hand: nothing serious, nothing critical."""

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from runtime.demo.loading import ACCOUNTS
from tests.browser.conftest import PHONE, Visit
from tests.browser.storefront import Shop
from tests.browser.test_door import bought_ticket

# Two more than axe calls serious: a page is found its way through by headings, and a control that is
# called by another name than the one it shows cannot be spoken to.
ALSO = {"heading-order", "label-content-name-mismatch"}
OPTIONS = {
    "resultTypes": ["violations"],
    "rules": {"label-content-name-mismatch": {"enabled": True}},
}
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {},
    "phone": PHONE,
    "dark small phone": PHONE | {"viewport": {"width": 360, "height": 640}, "color_scheme": "dark"},
}


async def findings(shop: Shop, place: str) -> list[str]:
    """What axe finds on the page as it stands, one line an element."""
    found = (await Axe().run(shop.page, options=OPTIONS)).response["violations"]
    return [
        f"{place}: {one['id']}: {node['html'][:120]} {node['failureSummary']}"
        for one in found
        if one["impact"] in {"serious", "critical"} or one["id"] in ALSO
        for node in one["nodes"]
    ]


async def choosing(shop: Shop, session_id: str) -> list[str]:
    """The three ways to choose a seat."""
    page = shop.page
    await shop.open(f"/sessions/{session_id}")
    await page.click(".promo summary")
    found = await findings(shop, "best available")
    await page.click('.segmented [data-mode="own"]')
    found += await findings(shop, "nothing picked")
    await page.click(".board-switch")
    await page.locator(".list-seats .chip:not([aria-disabled])").first.click()
    await expect(page.locator(".basket-line")).to_have_count(1)
    found += await findings(shop, "list and basket")
    await page.click(".basket .icon-button")
    await page.click('.segmented [data-mode="best"]')
    return found


async def buying(shop: Shop, session_id: str) -> list[str]:
    """An order that is held, and then paid."""
    await shop.order_best(session_id, quantity=2)
    found = await findings(shop, "held order")
    await shop.pay("tok_ok")
    await expect(shop.page.locator(".ticket")).to_have_count(2)
    await shop.page.locator(".history summary").click()
    await shop.page.locator(".refund-form summary").click()
    found += await findings(shop, "paid order")
    await shop.page.locator(".ticket-acts button").first.click()
    return found + await findings(shop, "giving a ticket away")


@pytest.mark.parametrize(
    ("language", "screen"),
    [
        ("zh", "desktop"),
        pytest.param("en", "phone", marks=pytest.mark.long),
        pytest.param("zh", "dark small phone", marks=pytest.mark.long),
        pytest.param("en", "desktop", marks=pytest.mark.long),
        pytest.param("zh", "phone", marks=pytest.mark.long),
        pytest.param("en", "dark small phone", marks=pytest.mark.long),
    ],
)
async def test_axe_finds_nothing_serious_on_any_page(
    visit: Visit, language: str, screen: str
) -> None:
    shop = await visit(language, timezone_id="America/Los_Angeles", **SCREENS[screen])
    show, session = await shop.flagship(), await shop.session_on_sale()
    found = []
    for path in ("/", "/?q=zzzz", f"/shows/{show['show_id']}", "/login", "/register", "/nowhere"):
        await shop.open(path)
        found += await findings(shop, path)
    found += await choosing(shop, session["session_id"])
    await shop.register()
    for path in ("/orders", "/tickets"):
        await shop.open(path)
        found += await findings(shop, f"{path} of somebody new")
    found += await buying(shop, session["session_id"])
    for path in ("/orders", "/tickets", "/me", "/"):
        await shop.open(path)
        found += await findings(shop, path)
    assert found == []


@pytest.mark.parametrize("screen", ["desktop", "phone"])
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_axe_finds_nothing_serious_at_the_door(
    visit: Visit, language: str, screen: str
) -> None:
    shop = await visit(language, refusals=True, **SCREENS[screen])
    session = await shop.session_on_sale()
    await bought_ticket(shop, session)  # the door is offered sessions that somebody comes to
    staff = ACCOUNTS.of("staff")
    await shop.open("/login?next=%2Fdoor")
    await shop.page.fill("#field-email", staff.email)
    await shop.page.fill("#field-password", staff.password)
    await shop.page.click(".account-form button[type=submit]")
    verdict = shop.page.locator(".door-verdict")
    await expect(verdict).to_have_attribute("data-verdict", "ready")
    found = await findings(shop, "door")
    await shop.page.select_option("#field-session", session["session_id"])
    await shop.page.fill("#field-code", "no code of ours")
    await shop.page.press("#field-code", "Enter")
    await expect(verdict).to_have_attribute("data-verdict", "out")
    assert found + await findings(shop, "door that refuses") == []


@pytest.mark.parametrize("screen", ["desktop", pytest.param("phone", marks=pytest.mark.long)])
async def test_axe_finds_nothing_serious_in_the_api_docs(visit: Visit, screen: str) -> None:
    shop = await visit("en", **SCREENS[screen])
    page = shop.page
    await page.goto(f"{shop.url}/docs")
    await expect(page.locator(".models")).to_be_visible(timeout=30_000)
    if screen == "phone":  # the same page, narrower: its parts are looked at once
        assert await findings(shop, "docs") == []
        return
    await page.click("#operations-Catalog-search_shows .opblock-summary-control")
    await page.click("#operations-Catalog-search_shows .execute")
    await expect(page.locator(".live-responses-table .microlight").first).to_be_visible()
    assert page.url.endswith("#/Catalog/search_shows")
    await page.click("#operations-Booking-place_order .opblock-summary-control")
    found = await findings(shop, "docs with a call and its answer")
    await page.click(".btn.authorize")
    await expect(page.locator("#auth-bearer-value")).to_be_visible()
    assert found + await findings(shop, "docs with a dialog") == []
