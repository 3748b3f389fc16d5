"""Giving tickets back on the order's page: one first, then the rest."""

from playwright.async_api import expect

from tests.browser.storefront import Shop


async def test_a_buyer_gives_one_ticket_back_and_then_the_other(shop: Shop) -> None:
    page = shop.page
    session = await shop.session_on_sale()
    await shop.register()
    await shop.order_best(session["session_id"])
    await shop.pay("tok_ok")
    await expect(page.locator(".ticket")).to_have_count(2)
    await page.click(".refund-form summary")
    await expect(page.locator(".refund-form .hint").first).to_contain_text("不收手续费")
    await page.locator(".refund-ticket input").first.uncheck()
    await page.fill("#refund-reason", "行程有变")
    await page.click(".refund-form button[type=submit]")
    sure = page.locator(".refund-sure")
    await expect(sure.locator("h2")).to_have_text("确定退这张票？")
    await expect(sure.locator(".sum")).to_contain_text("¥180")
    await sure.locator("button", has_text="保留门票").click()
    await expect(sure).not_to_be_visible()
    await expect(page.locator(".refund")).to_have_count(0)
    await page.click(".refund-form button[type=submit]")
    await sure.locator("button", has_text="确认退票").click()
    await expect(page.locator(".refund")).to_have_count(1)
    await expect(page.locator(".ticket")).to_have_count(1)
    await expect(page.locator(".refund-ticket")).to_have_count(1)
    await page.click(".refund-form summary")
    await page.locator(".refund-ticket input").uncheck()
    await page.click(".refund-form button[type=submit]")
    await expect(shop.message).to_have_text("请至少选择一张票。")
    await page.locator(".refund-ticket input").check()
    await page.click(".refund-form button[type=submit]")  # no reason: nobody is made to give one
    await page.locator(".refund-sure button", has_text="确认退票").click()
    await expect(page.locator(".refund")).to_have_count(2)
    await expect(page.locator(".refund-form")).to_have_count(0)
    await expect(page.locator("h1")).to_have_text("已退款")
    await expect(page.locator(".ticket")).to_have_count(0)
