"""A promo code at ordering, and a ticket that goes to somebody else."""

import secrets

from playwright.async_api import expect

from runtime.demo.loading import ACCOUNTS
from tests.browser.storefront import PASSWORD, Shop, Watch

ORGANIZER = ACCOUNTS.of("organizer")


async def make_promo_code(shop: Shop, show_id: str) -> str:
    """Ten per cent off, made by the show's organizer over the API."""
    code = f"E2E-{secrets.token_hex(4)}".upper()
    request = shop.page.request
    login = {"email": ORGANIZER.email, "password": ORGANIZER.password}
    token = await (await request.post(f"{shop.url}/api/v1/auth/login", data=login)).json()
    made = await request.post(
        f"{shop.url}/api/v1/shows/{show_id}/promo-codes",
        data={"code": code, "kind": "percent", "value": 10},
        headers={"Authorization": f"Bearer {token['access_token']}"},
    )
    assert made.status == 201, await made.text()
    return code


async def test_a_promo_code_is_applied_and_the_order_shows_the_price_before_and_after(
    shop: Shop,
) -> None:
    page = shop.page
    show, session = await shop.flagship(), await shop.session_on_sale()
    code = await make_promo_code(shop, show["show_id"])
    await shop.register()
    await shop.open(f"/sessions/{session['session_id']}")
    await page.click(".promo summary")
    await page.get_by_role("button", name="使用", exact=True).click()
    await expect(page.locator(".promo [role=status]")).to_have_text("请填写优惠码。")
    await page.fill("#field-promo_code", code.lower())
    await page.press("#field-promo_code", "Enter")
    await expect(page.locator(".promo summary")).to_have_text(f"优惠码 {code}")
    await expect(page.locator(".promo [role=status]")).to_contain_text("付款前会显示优惠前后的价格")
    await page.click(".panel-foot .button")
    lines = page.locator(".items li")
    await expect(lines).to_have_count(3)
    before, off = [await lines.nth(number).locator("span").last.inner_text() for number in (0, 2)]
    total = await page.locator(".summary-total b").inner_text()
    yuan = [float(money.strip("−¥").replace(",", "")) for money in (before, off, total)]
    assert 2 * yuan[0] - yuan[1] == yuan[2]
    assert yuan[1] == yuan[0] * 0.2


async def test_a_promo_code_takes_something_off_and_a_ticket_goes_to_a_friend(
    shop: Shop, watch: Watch
) -> None:
    watch.refusals_expected = True
    page, friend = shop.page, await shop.make_account()
    show = await shop.flagship()
    session = await shop.session_on_sale()
    code = await make_promo_code(shop, show["show_id"])
    await shop.register()

    await shop.open(f"/sessions/{session['session_id']}")
    await page.click(".promo summary")
    await page.fill("#field-promo_code", "no-such-code")
    await page.click(".panel-foot .button")
    await expect(shop.message).to_contain_text("没有这个优惠码")
    await expect(page.locator("#field-promo_code")).to_be_focused()
    await page.fill("#field-promo_code", code.lower())
    await page.click(".panel-foot .button")
    await expect(page.locator(".items .discount")).to_contain_text(code)

    await shop.pay("tok_ok")
    await expect(page.locator(".ticket")).to_have_count(2)
    give = page.locator(".ticket").first.locator(".ticket-acts button")
    await give.click()
    await page.fill("#field-to_email", "nobody@example.com")
    await page.click(".give-form button[type=submit]")
    await expect(shop.message).to_contain_text("对方需要先注册账户")
    await page.fill("#field-to_email", friend)
    await page.click(".give-form button[type=submit]")
    await expect(page.locator(".ticket")).to_have_count(1)

    await page.evaluate("localStorage.clear(); sessionStorage.clear()")
    await page.reload()
    await shop.open("/login")
    await page.fill("#field-email", friend)
    await page.fill("#field-password", PASSWORD)
    await page.click(".account-form button[type=submit]")
    await expect(page.locator(".account-form")).to_have_count(0)
    await shop.open("/tickets")
    await expect(page.locator(".ticket")).to_have_count(1)
