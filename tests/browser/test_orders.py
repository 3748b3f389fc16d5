"""What orders and tickets say once something became of them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from runtime.demo.loading import ACCOUNTS
from tests.browser.storefront import Shop, Watch
from tests.e2e.test_buyer import eventually
from tests.support.api import Api, Person, publish_session

ORGANIZER, STAFF = ACCOUNTS.of("organizer"), ACCOUNTS.of("staff")
PAY = {"payment_method": "alipay", "payment_token": "tok_ok"}


@pytest.fixture
async def api(shop: Shop) -> AsyncIterator[Api]:
    client = Api(shop.url)
    yield client
    await client.close()


async def log_in(api: Api, email: str, password: str) -> Person:
    answer = await api.post("/auth/login", {"email": email, "password": password})
    assert answer.status == 200, answer
    return Person(email, answer.json)


async def show_as(page: Page, person: Person) -> None:
    """The page is this person's from its next load on."""
    login = {
        "user_id": person.user_id,
        "access_token": person.token,
        "refresh_token": person.refresh_token,
    }
    await page.evaluate(
        "login => sessionStorage.setItem('stampede.login', JSON.stringify(login))", login
    )
    await page.reload()


async def bought(api: Api, buyer: Person, session: Any, area: int, quantity: int) -> Any:
    """A paid order of the session's area, with its tickets."""
    area_id = session["seat_areas"][area]["area_id"]
    body = {"session_id": session["session_id"], "seat_area_id": area_id, "quantity": quantity}
    order = await api.post("/orders", body, token=buyer.token)
    assert order.status == 201, order
    paid = await api.post(f"/orders/{order.json['order_id']}/pay", PAY, token=buyer.token)
    assert paid.status == 200, paid
    return paid.json


async def test_an_order_says_what_was_used_given_away_and_given_back(shop: Shop, api: Api) -> None:
    page, organizer = shop.page, await log_in(api, ORGANIZER.email, ORGANIZER.password)
    session = await publish_session(api, organizer.token)
    buyer, friend = await api.register(), await api.register()
    order = await bought(api, buyer, session, 0, 4)
    used, given, back, valid = order["tickets"]
    code = (await api.get(f"/tickets/{used['ticket_id']}", token=buyer.token)).json["code"]
    staff = await log_in(api, STAFF.email, STAFF.password)
    scan = {"code": code, "session_id": session["session_id"]}
    assert (await api.post("/check-ins", scan, token=staff.token)).status == 200
    gave = await api.post(
        f"/tickets/{given['ticket_id']}/transfer", {"to_email": friend.email}, token=buyer.token
    )
    assert gave.status == 201, gave
    refund = {"reason": "ill", "ticket_ids": [back["ticket_id"]]}
    path = f"/orders/{order['order_id']}/refund"
    assert (await api.post(path, refund, token=buyer.token)).status == 202

    await shop.open("/")
    await show_as(page, buyer)
    await shop.open(f"/orders/{order['order_id']}")
    cards = page.locator(".ticket")
    await expect(cards).to_have_count(2)
    await expect(cards.nth(0).locator(".qr")).to_have_count(1)
    await expect(cards.nth(0).locator(".ticket-acts button")).to_have_text("转赠他人")
    await expect(cards.nth(1)).to_contain_text("已使用")
    await expect(cards.nth(1).locator(".qr, .ticket-acts, .ticket-files")).to_have_count(0)
    gone = page.locator(".gone-line")
    await expect(gone).to_have_count(2)
    await expect(gone.nth(0)).to_contain_text(f"已转赠给 {friend.email[0]}***@example.com")
    await expect(gone.nth(1)).to_contain_text("已退票")
    await expect(page.locator(".summary-total")).to_contain_text("¥5,120")
    await expect(page.locator(".summary-back")).to_contain_text("¥1,280")
    await expect(page.locator(".summary-left")).to_have_text("剩余 2 张，共 4 张")
    # what is on its way says by itself when it has arrived
    await expect(page.locator(".refund")).to_contain_text("退款成功", timeout=30_000)
    await expect(page.locator(".summary-back")).to_contain_text("已退款")
    await shop.open("/orders")
    await expect(page.locator(".order-row").first).to_contain_text("剩余 2 张，共 4 张")
    await expect(page.locator(".order-row").first).to_contain_text("退 ¥1,280")

    await shop.open("/tickets")
    await expect(page.locator(".ticket")).to_have_count(2)
    await expect(page.locator(".ticket.used")).to_have_count(1)
    await expect(page.locator(".gone-line")).to_have_count(2)
    await show_as(page, friend)
    await expect(page.locator(".ticket")).to_have_count(1)
    await expect(page.locator(".ticket-from")).to_have_text(f"来自 {buyer.email[0]}***@example.com")
    assert valid["ticket_id"] != used["ticket_id"]


async def test_a_cancelled_date_is_why_and_a_standing_place_has_no_number(
    shop: Shop, api: Api
) -> None:
    page, organizer = shop.page, await log_in(api, ORGANIZER.email, ORGANIZER.password)
    session, buyer = await publish_session(api, organizer.token), await api.register()
    order = await bought(api, buyer, session, 1, 2)
    await shop.open("/")
    await show_as(page, buyer)
    await shop.open(f"/orders/{order['order_id']}")
    await expect(page.locator(".ticket-seat").first).to_contain_text("站席")
    assert await page.locator(".ticket-seat dt", has_text="座").count() == 0
    await expect(page.locator(".items li").first).to_contain_text("内场站席 × 2")
    cancelled = await api.post(
        f"/sessions/{session['session_id']}/cancel", {"reason": "台风来袭"}, token=organizer.token
    )
    assert cancelled.status == 202, cancelled

    async def is_refunded() -> bool:
        read = await api.get(f"/orders/{order['order_id']}", token=buyer.token)
        return bool(read.json["status"] == "refunded")

    await eventually(is_refunded, within_s=30)
    await page.reload()
    await expect(page.locator("h1")).to_have_text("场次已取消")
    await expect(page.locator(".why")).to_contain_text("台风来袭")
    await expect(page.locator(".gone-line").first).to_contain_text("场次已取消")
    await shop.open("/orders")
    await expect(page.locator(".order-row .badge").first).to_have_text("场次已取消")
    await shop.open("/tickets")
    await expect(page.locator(".gone-line").first).to_contain_text("台风来袭")


async def test_every_outcome_of_the_sandbox_is_offered_and_nowhere_else(shop: Shop) -> None:
    page, session = shop.page, await shop.session_on_sale()
    await shop.register()
    await shop.order_best(session["session_id"], 1)
    tokens = page.locator('.sandbox input[name="token"]')
    offered = await tokens.evaluate_all("inputs => inputs.map((one) => one.value)")
    assert offered == (await shop.get("/payments/options"))["test_tokens"]
    words = await page.locator(".sandbox .option-name").all_inner_texts()
    assert len(set(words)) == len(offered) == 5
    assert not any("tok_" in one for one in words), "each is named in plain words"

    async def with_another(route: Route) -> None:
        answer = {"provider": "another", "payment_methods": ["card"], "test_tokens": []}
        await route.fulfill(json=answer)

    await page.route("**/api/v1/payments/options", with_another)
    await page.reload()
    await expect(page.locator("#field-token")).to_be_visible()
    await expect(page.locator(".sandbox")).to_have_count(0)
    await page.click(".payment button[type=submit]")
    await expect(page.locator("#field-token-wrong")).to_have_text("请填写支付令牌。")


async def test_a_payment_whose_answer_is_lost_ends_with_tickets(shop: Shop) -> None:
    session = await shop.session_on_sale()
    await shop.register()
    await shop.order_best(session["session_id"], 1)
    await shop.pay("tok_timeout")
    await expect(shop.page.locator(".ticket")).to_have_count(1, timeout=30_000)


async def test_request_ids_are_for_who_runs_shows(shop: Shop, api: Api) -> None:
    page, session = shop.page, await shop.session_on_sale()
    organizer = await log_in(api, ORGANIZER.email, ORGANIZER.password)
    for person, shown in ((await api.register(), False), (organizer, True)):
        order = await bought(api, person, session, 0, 1)
        history = await api.get(f"/orders/{order['order_id']}/events", token=person.token)
        assert all(event["request_id"] for event in history.json["events"]), "the API has them"
        await shop.open("/")
        await show_as(page, person)
        await shop.open(f"/orders/{order['order_id']}")
        await page.click(".history summary")
        await expect(page.locator(".history li").first).to_be_visible()
        assert (await page.locator(".history code").count() > 0) is shown


async def test_the_next_person_at_a_browser_is_not_shown_the_last_ones_ticket(
    shop: Shop, api: Api, watch: Watch
) -> None:
    watch.refusals_expected = True
    page, session = shop.page, await shop.session_on_sale()
    owner, stranger = await api.register(), await api.register()
    order = await bought(api, owner, session, 0, 1)
    ticket_id = order["tickets"][0]["ticket_id"]
    await shop.open("/")
    for name in ("qr.svg", "qr.png", "ticket.pdf", "ticket.ics"):
        statuses = [
            await page.evaluate(
                "([path, token]) => fetch(path, { headers: { Authorization: `Bearer ${token}` } })"
                ".then((answer) => answer.blob().then(() => answer.status), () => 0)",
                [f"/api/v1/tickets/{ticket_id}/{name}", person.token],
            )
            for person in (owner, stranger)
        ]
        assert statuses == [200, 404], name
