"""One browser, one login: tabs that are open, and tabs that open, follow each other."""

import json

from playwright.async_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.storefront import PASSWORD, Shop


async def tab(shop: Shop) -> Shop:
    return Shop(await shop.page.context.new_page(), shop.url)


async def log_in(shop: Shop, email: str) -> None:
    await shop.page.fill("#field-email", email)
    await shop.page.fill("#field-password", PASSWORD)
    await shop.page.click(".account-form button[type=submit]")


async def test_a_login_and_a_logout_reach_every_tab(visit: Visit) -> None:
    first = await visit("zh")
    second = await tab(first)
    email = await first.make_account()
    await second.page.goto(f"{second.url}/#/orders")
    await expect(second.page.locator("#field-password")).to_be_visible()
    await first.open("/login")
    await log_in(first, email)
    await expect(first.page.locator('.top-nav a[href="#/orders"]')).to_be_visible()
    await expect(second.page.locator("h1")).to_have_text("我的订单")  # where it was going to

    third = await tab(first)
    await third.open("/me")
    await expect(third.page.locator(".account-card .lead")).to_have_text(email)
    await third.page.locator(".account-links button").last.click()
    for shop in (first, third):
        await expect(shop.page.locator('.top-nav a[href="#/login"]')).to_be_visible()
    await expect(second.page.locator("#field-password")).to_be_visible()
    fourth = await tab(first)
    await fourth.open("/")
    await expect(fourth.page.locator('.top-nav a[href="#/login"]')).to_be_visible()


async def test_a_login_ends_with_its_last_tab_and_leaves_no_token_behind(visit: Visit) -> None:
    first = await visit("zh")
    await first.register()
    kept = await first.page.evaluate("JSON.stringify(localStorage)")
    assert "token" not in kept
    assert "eyJ" not in kept
    context = first.page.context
    await first.page.close()
    later = Shop(await context.new_page(), first.url)
    await later.open("/")
    await expect(later.page.locator('.top-nav a[href="#/login"]')).to_be_visible()


async def test_two_tabs_whose_token_expires_at_once_renew_it_once(visit: Visit) -> None:
    first = await visit("zh", refusals=True)
    await first.register()
    second = await tab(first)
    await second.open("/me")
    stale = await first.page.evaluate("JSON.parse(sessionStorage['stampede.login']).access_token")
    renewed: list[str] = []

    async def expire(route: Route) -> None:
        if route.request.headers.get("authorization") != f"Bearer {stale}":
            await route.continue_()
            return
        body = json.dumps({"code": "token-expired", "status": 401, "title": "expired"})
        await route.fulfill(status=401, content_type="application/problem+json", body=body)

    context = first.page.context
    context.on("request", lambda one: renewed.append(one.url) if "/refresh" in one.url else None)
    await context.route("**/api/v1/orders?*", expire)
    for shop in (first, second):
        await shop.page.evaluate("location.hash = '#/orders'")
    for shop in (first, second):
        await expect(shop.page.locator(".empty h2")).to_have_text("还没有订单")
    assert len(renewed) == 1
