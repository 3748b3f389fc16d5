"""A forgotten password and a changed one, as people meet them: page, mail, page."""

import re
from typing import Any

from playwright.async_api import expect

from tests.browser.storefront import PASSWORD, Shop, Watch

NEW_PASSWORD = "另一个 长长的 密码"
TITLE = re.compile("重置您的密码|Reset your password")


async def open_the_link(shop: Shop, email: str) -> str:
    """Opens the newest mail's link in this page, as a click in a mail program would; its token."""
    for _ in range(100):
        answer = await shop.page.request.get(f"{shop.url}/dev/mailbox.json?to={email}")
        mails: list[Any] = (await answer.json())["mails"]
        if mails and TITLE.search(mails[0]["subject"]):
            break
        await shop.page.wait_for_timeout(100)
    found = re.search(r"/#(/reset\?token=([\w-]{43}))", mails[0]["text"])
    assert found is not None
    await shop.page.goto("about:blank")
    await shop.page.goto(f"{shop.url}/#{found[1]}")
    await expect(shop.page.locator("#field-password")).to_be_visible()
    return found[2]


async def test_a_forgotten_password_is_replaced_by_way_of_the_mailbox(
    shop: Shop, watch: Watch
) -> None:
    page, email = shop.page, await shop.make_account()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await shop.open("/login")
    await page.get_by_role("link", name="忘记密码").click()
    await page.fill("#field-email", email)
    await page.click(".account-form button[type=submit]")
    await expect(page.locator(".notice.good")).to_contain_text("链接已在发送途中")
    token = await open_the_link(shop, email)
    # neither in the address bar, nor in the document, nor in this browser's history or storage
    assert page.url == f"{shop.url}/#/reset"
    kept = "document.documentElement.outerHTML + JSON.stringify([{...localStorage}, {...sessionStorage}])"
    assert token not in await page.evaluate(kept)
    await page.fill("#field-password", "short")
    await page.click(".account-form button[type=submit]")
    await expect(page.locator("#field-password-wrong")).not_to_be_empty()
    await page.fill("#field-password", NEW_PASSWORD)
    await page.click(".account-form button[type=submit]")
    await expect(page.locator('main[data-path="/me"] h1')).to_be_visible()
    await page.go_back()
    assert token not in page.url
    assert not [url for url in asked if token in url]
    # the link is used now
    watch.refusals_expected = True
    await page.goto("about:blank")
    await page.goto(f"{shop.url}/#/reset?token={token}")
    await page.fill("#field-password", NEW_PASSWORD)
    await page.click(".account-form button[type=submit]")
    await expect(shop.message).to_contain_text("链接已使用或已过期")
    await page.get_by_role("link", name="重新申请链接").click()
    await expect(page.locator("#field-email")).to_be_visible()


async def test_a_reset_page_without_a_link_says_what_to_do(shop: Shop) -> None:
    await shop.open("/reset")
    await expect(shop.page.locator(".lead")).to_contain_text("重新打开邮件中的链接")
    await expect(shop.page.locator("#field-password")).to_have_count(0)


async def test_a_password_is_changed_in_me_and_the_login_goes_on(shop: Shop, watch: Watch) -> None:
    page, email = shop.page, await shop.register()
    await shop.open("/me")
    change = page.locator(".account-form").nth(1)
    watch.refusals_expected = True
    await page.fill("#field-current_password", "wrong one")
    await page.fill("#field-password", NEW_PASSWORD)
    await change.locator("button[type=submit]").click()
    await expect(page.locator("#field-current_password-wrong")).to_have_text("当前密码不正确。")
    await page.fill("#field-current_password", PASSWORD)
    await change.locator("button[type=submit]").click()
    await expect(change.locator(".notice.good")).to_be_visible()
    await expect(page.locator("#field-current_password")).to_have_value("")
    await shop.open("/orders")  # still logged in
    login = {"email": email, "password": NEW_PASSWORD}
    answer = await page.request.post(f"{shop.url}/api/v1/auth/login", data=login)
    assert answer.ok


async def test_the_browser_keeps_a_cookie_by_which_it_is_known_and_scripts_do_not_see_it(
    shop: Shop,
) -> None:
    await shop.register()
    cookies = await shop.page.context.cookies(f"{shop.url}/api/v1/auth/login")
    (device,) = [one for one in cookies if one["name"] == "stampede-device"]
    assert (device["httpOnly"], device["sameSite"], device["path"]) == (
        True,
        "Strict",
        "/api/v1/auth",
    )
    assert await shop.page.evaluate("document.cookie") == ""
