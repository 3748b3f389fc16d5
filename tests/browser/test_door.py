"""The door on a screen: green, red, and why."""

from typing import Any

from playwright.async_api import expect

from stampede.demo.loading import ACCOUNTS
from tests.browser.storefront import PASSWORD, Shop, Watch


async def bought_ticket(shop: Shop) -> Any:
    """A ticket of the demo, bought past the pages."""
    request, base = shop.page.request, f"{shop.url}/api/v1"
    login = {"email": await shop.make_account(), "password": PASSWORD}
    token = (await (await request.post(f"{base}/auth/login", data=login)).json())["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    session = await shop.session_on_sale()
    area = max(session["seat_areas"], key=lambda one: one["available"])
    wanted = {"session_id": session["session_id"], "seat_area_id": area["area_id"], "quantity": 1}
    made = await request.post(f"{base}/orders", data=wanted, headers=headers)
    order_id = (await made.json())["order_id"]
    money = {"payment_method": "alipay", "payment_token": "tok_ok"}
    paid = await request.post(f"{base}/orders/{order_id}/pay", data=money, headers=headers)
    ticket_id = (await paid.json())["tickets"][0]["ticket_id"]
    return await (await request.get(f"{base}/tickets/{ticket_id}", headers=headers)).json()


async def test_staff_see_green_once_and_red_afterwards(shop: Shop, watch: Watch) -> None:
    watch.refusals_expected = True
    ticket = await bought_ticket(shop)
    staff = ACCOUNTS.of("staff")
    await shop.open("/login?next=%2Fdoor")
    await shop.page.fill("#field-email", staff.email)
    await shop.page.fill("#field-password", staff.password)
    await shop.page.click(".account-form button[type=submit]")
    verdict = shop.page.locator(".door-verdict")
    await expect(verdict).to_have_attribute("data-verdict", "ready")
    await shop.page.fill("#field-gate", "南门 1")
    for code, word, words in (
        (ticket["code"], "in", "林小满"),
        (ticket["code"], "out", "南门 1"),
        (ticket["code"][:-3], "out", "伪造"),
    ):
        await shop.page.fill("#field-code", code)
        await shop.page.press("#field-code", "Enter")
        await expect(verdict).to_have_attribute("data-verdict", word)
        await expect(verdict).to_contain_text(words)
    width = await shop.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 1280
