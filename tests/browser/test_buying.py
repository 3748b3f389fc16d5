"""Buying by best available: from the search to tickets in the hand."""

import json
import re

from playwright.async_api import Route, expect

from tests.browser.storefront import BUYER, FLAGSHIP, PASSWORD, Shop, Watch

TRIES = 4  # api.js asks so often before it tells the buyer


async def _loaded_width(shop: Shop, number: int) -> int:
    """The natural width of a ticket's code, once the browser has it; 0 if it could not be loaded."""
    width: int = (
        await shop.page.locator(".qr")
        .nth(number)
        .evaluate(
            """image => image.complete ? image.naturalWidth : new Promise((done) => {
            image.onload = image.onerror = () => done(image.naturalWidth); })"""
        )
    )
    return width


async def test_a_buyer_finds_a_show_orders_the_best_two_pays_and_gets_two_tickets(
    shop: Shop,
) -> None:
    page, email = shop.page, await shop.make_account()
    await shop.open("/")
    await page.fill("#search", FLAGSHIP)
    await page.keyboard.press("Enter")
    await expect(page.locator(".cards .card")).to_have_count(1)
    await page.click(".cards .card")
    await expect(page.locator("h1")).to_contain_text(FLAGSHIP)
    await page.click(".buy-bar a.button")
    await expect(page.locator(".stepper-number")).to_have_text("2")
    await page.click(".panel-foot .button")
    await page.fill("#field-email", email)
    await page.fill("#field-password", PASSWORD)
    await page.click(".account-form button[type=submit]")
    await expect(page.locator(".items li")).to_have_count(2)
    await shop.pay("tok_ok")
    await expect(page.locator(".ticket")).to_have_count(2)
    assert [await _loaded_width(shop, number) > 0 for number in (0, 1)] == [True, True]
    await page.click(".back")
    await expect(page.locator(".order-row .badge.paid").first).to_be_visible()


async def test_a_declined_payment_is_said_and_the_next_one_succeeds(
    shop: Shop, watch: Watch
) -> None:
    watch.refusals_expected = True
    session = await shop.session_on_sale()
    await shop.register()
    await shop.order_best(session["session_id"])
    await shop.pay("tok_declined")
    await expect(shop.message).to_contain_text("支付被拒绝")
    await shop.pay("tok_ok")
    await expect(shop.page.locator(".ticket")).to_have_count(2)


async def test_a_payment_that_is_answered_later_is_waited_for_and_its_decline_is_said(
    shop: Shop, watch: Watch
) -> None:
    watch.refusals_expected = True
    session = await shop.session_on_sale()
    await shop.register()
    await shop.order_best(session["session_id"])
    tokens = iter(("tok_async_declined", "tok_async"))

    async def with_token(route: Route) -> None:
        body = route.request.post_data_json | {"payment_token": next(tokens)}
        await route.continue_(post_data=json.dumps(body))

    await shop.page.route("**/orders/*/pay", with_token)
    await shop.pay("tok_ok")
    await expect(shop.message).to_contain_text("支付被拒绝", timeout=15_000)
    await shop.pay("tok_ok")
    await shop.page.reload()  # a page that begins while the payment is under way waits as well
    await expect(shop.page.locator(".ticket")).to_have_count(2, timeout=15_000)


async def test_a_double_click_and_lost_answers_make_one_order(shop: Shop, watch: Watch) -> None:
    session = await shop.session_on_sale()
    await shop.register()
    keys: list[str] = []

    async def lose_the_first_answers(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > TRIES:
            await route.continue_()
            return
        await route.fetch()  # the server has made the order, and the buyer never hears of it
        await route.abort()

    await shop.page.route("**/api/v1/orders", lose_the_first_answers)
    await shop.open(f"/sessions/{session['session_id']}")
    await shop.page.dblclick(".panel-foot .button")
    await expect(shop.message).to_contain_text("网络连接失败")
    await shop.page.click(".panel-foot .button")
    await expect(shop.page.locator(".payment")).to_be_visible()
    assert (len(keys), len(set(keys))) == (TRIES + 1, 1)
    watch.found = [one for one in watch.found if "net::ERR_FAILED" not in one]
    await shop.open("/orders")
    await expect(shop.page.locator(".order-row")).to_have_count(1)


async def test_a_cancelled_order_offers_its_seats_again(shop: Shop) -> None:
    session = await shop.session_on_sale()
    await shop.register()
    await shop.order_best(session["session_id"], quantity=1)
    await shop.page.click(".payment .link-button")
    await shop.page.click(".dialog .button.bad")
    await expect(shop.page.locator("h1")).to_have_text("订单已取消")
    await shop.page.click(".order-main a.button")
    await expect(shop.page.locator("canvas.map-canvas")).to_be_visible()


async def test_an_expired_token_is_renewed_once_and_the_page_comes(
    shop: Shop, watch: Watch
) -> None:
    watch.refusals_expected = True
    await shop.register()
    refused: list[str] = []
    renewed: list[str] = []

    async def expire_once(route: Route) -> None:
        if refused:
            await route.continue_()
            return
        refused.append(route.request.url)
        body = json.dumps({"code": "token-expired", "status": 401, "title": "expired"})
        await route.fulfill(status=401, content_type="application/problem+json", body=body)

    shop.page.on(
        "request", lambda one: renewed.append(one.url) if one.url.endswith("/refresh") else None
    )
    await shop.page.route("**/api/v1/orders?*", expire_once)
    await shop.open("/orders")
    await expect(shop.page.locator(".empty h2")).to_have_text("还没有订单")
    assert (len(refused), len(renewed)) == (1, 1)


async def test_the_demo_account_is_one_click_away_and_logging_out_ends_it(shop: Shop) -> None:
    await shop.open("/login")
    await shop.page.click(".demo-box button")
    await expect(shop.page.locator(".account-form")).to_have_count(0)
    await shop.open("/me")
    await expect(shop.page.locator(".account-card .lead")).to_have_text(BUYER.email)
    await shop.page.click(".account-links button")
    await expect(shop.page.locator('.top-nav a[href="#/login"]')).to_be_visible()
    assert await shop.page.evaluate('sessionStorage.getItem("stampede.login")') is None


async def test_an_accessible_seat_is_asked_for_with_a_box_and_shown_on_the_order(
    shop: Shop,
) -> None:
    session = await shop.session_on_sale()
    plan = await shop.get(f"/sessions/{session['session_id']}/seat-map")
    accessible = {
        area["area_id"]
        for area in plan["areas"]
        if any(seat["accessible"] for row in area["rows"] for seat in row["seats"])
    }
    await shop.register()
    await shop.open(f"/sessions/{session['session_id']}")
    box = shop.page.locator(".accessible-field select[name=accessible]")
    for area in (one for one in session["seat_areas"] if one["available"]):
        await shop.page.locator(f'label:has(input[value="{area["area_id"]}"])').click()
        await expect(box).to_be_visible(visible=area["area_id"] in accessible)
    with_some = next(
        one
        for one in session["seat_areas"]
        if one["area_id"] in accessible and one["available"] > 100
    )
    await shop.page.locator(f'label:has(input[value="{with_some["area_id"]}"])').click()
    await box.select_option("1")
    async with shop.page.expect_request("**/api/v1/orders") as asked:
        await shop.page.click(".panel-foot .button")
    assert (await asked.value).post_data_json["accessible"] == 1
    await expect(shop.page.locator(".items .accessible-mark").first).to_be_visible()
    await expect(shop.page.locator(".order-main .notice:visible")).to_have_count(0)


async def test_who_is_given_an_accessible_seat_unasked_reads_it_before_paying(shop: Shop) -> None:
    session = await shop.session_on_sale()
    await shop.register()

    async def as_if_nothing_else_were_left(route: Route) -> None:
        answer = await route.fetch()
        order = await answer.json() | {"note": "only_accessible_left"}
        await route.fulfill(response=answer, json=order)

    await shop.page.route(re.compile(r"/api/v1/orders/[^/]+$"), as_if_nothing_else_were_left)
    await shop.order_best(session["session_id"])
    await expect(shop.page.locator(".order-main .notice:visible")).to_contain_text("只剩无障碍座")
