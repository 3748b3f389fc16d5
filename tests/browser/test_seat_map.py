"""Choosing one's own seats, on the map and in the list."""

import json
from typing import Any

from playwright.async_api import Route, expect

from tests.browser.storefront import HallOnScreen, Shop, Watch


async def _pick_two(shop: Shop) -> list[Any]:
    """Two free seats of the first seated area, picked on the canvas of a session on sale."""
    session = await shop.session_on_sale()
    await shop.open(f"/sessions/{session['session_id']}")
    hall = HallOnScreen(shop, session["session_id"])
    await hall.load()
    area = hall.areas[0]
    await hall.enter(area)
    seats = (await hall.free_in_sight(area))[-2:]
    for seat in seats:
        await hall.click_seat(seat)
    await expect(shop.page.locator(".basket-line")).to_have_count(2)
    return seats


async def test_two_seats_picked_on_the_map_are_exactly_those_of_the_order(shop: Shop) -> None:
    await shop.register()
    seats = await _pick_two(shop)
    async with shop.page.expect_response("**/api/v1/orders") as answered:
        await shop.page.click(".panel-foot .button")
    answer = await answered.value
    assert answer.status == 201
    ordered = {item["seat_id"] for item in (await answer.json())["items"]}
    assert ordered == {seat["seat_id"] for seat in seats}
    await expect(shop.page.locator(".items li")).to_have_count(2)
    shown = " ".join(await shop.page.locator(".items li").all_inner_texts())
    assert all(f"{seat['row']}排{seat['number']}座" in shown for seat in seats)


async def test_a_seat_that_somebody_else_took_is_named_and_the_buyer_stays_on_the_map(
    shop: Shop, watch: Watch
) -> None:
    watch.refusals_expected = True
    await shop.register()
    lost, kept = await _pick_two(shop)

    async def taken(route: Route) -> None:
        body = {"code": "seats-taken", "status": 409, "title": "taken", "seats": [lost["seat_id"]]}
        await route.fulfill(
            status=409, content_type="application/problem+json", body=json.dumps(body)
        )

    await shop.page.route("**/api/v1/orders", taken)
    await shop.page.click(".panel-foot .button")
    await expect(shop.message).to_contain_text(f"{lost['row']}排{lost['number']}座")
    await expect(shop.page.locator("canvas.map-canvas")).to_be_visible()
    lines = shop.page.locator(".basket-line")
    await expect(lines).to_have_count(1)
    await expect(lines).to_contain_text(f"{kept['row']}排{kept['number']}座")


async def test_the_map_shows_what_others_take_at_once(shop: Shop) -> None:
    """The seats of somebody else's order turn from free to held without a reload."""
    session = await shop.session_on_sale()
    await shop.register()
    looker = await shop.page.context.new_page()
    looking = Shop(looker, shop.url)
    await looking.open(f"/sessions/{session['session_id']}")
    await expect(looker.locator(".live")).to_have_attribute("data-state", "live")
    left = looker.locator(".option:has(input:checked) .left")
    before = int("".join(filter(str.isdigit, await left.inner_text())))
    await shop.order_best(session["session_id"], quantity=3)
    await looker.wait_for_function(
        """least => Number(document.querySelector(".option:has(input:checked) .left").textContent
            .replace(/\\D/g, "")) <= least""",
        arg=before - 3,
    )


async def test_the_list_picks_seats_by_keyboard_alone(shop: Shop) -> None:
    session = await shop.session_on_sale()
    await shop.open(f"/sessions/{session['session_id']}")
    await shop.page.focus(".board-switch")
    await shop.page.keyboard.press("Enter")
    seat = shop.page.locator(".list-seats .chip:not([aria-disabled])").first
    await seat.focus()
    await shop.page.keyboard.press("Space")
    await expect(seat).to_have_attribute("aria-pressed", "true")
    await expect(seat).to_be_focused()
    await expect(shop.page.locator(".basket-line")).to_have_count(1)
