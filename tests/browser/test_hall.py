"""The map as a widget: by keyboard alone, by finger, by what one looks for; and what it tells."""

import re
from typing import Any

from playwright.async_api import Page, Route, expect

from tests.browser.conftest import PHONE, Visit
from tests.browser.plans import PlannedSale
from tests.browser.storefront import HallOnScreen, Shop


async def open_hall(shop: Shop) -> tuple[PlannedSale, HallOnScreen]:
    sale = await PlannedSale(shop).open()
    await shop.open(f"/sessions/{sale.session_id}")
    hall = HallOnScreen(shop, sale.session_id)
    await hall.load()
    await hall.drawn()
    return sale, hall


def seat(hall: HallOnScreen, row: str, number: int) -> Any:
    return next(one for one in hall.seats if (one["row"], one["number"]) == (row, number))


async def said(page: Page, words: str) -> None:
    """What screen readers are told last."""
    await expect(page.locator("#announcer")).to_contain_text(words)


async def test_the_keyboard_alone_picks_two_seats_on_the_map_and_buys_them(shop: Shop) -> None:
    await shop.register()
    _, hall = await open_hall(shop)
    page, press = shop.page, shop.page.keyboard.press
    await page.focus(".board-switch")
    for _ in range(20):  # past the filters
        if await page.evaluate("document.activeElement.matches('canvas.map-canvas')"):
            break
        await press("Tab")
    await said(page, "池座, ¥300, 余 44")
    await press("Enter")
    await said(page, "距舞台约")
    await press("Home")
    await press("ArrowUp")  # nothing is before the first row, or it is the first row now
    await press("Home")
    await said(page, "池座 1排1座")
    await press("ArrowDown")
    await said(page, "池座 2排1座")
    await press("ArrowRight")
    await said(page, "池座 2排2座")
    await press("Enter")
    await said(page, "已选 池座 2排2座")
    await press("ArrowRight")
    await press("Space")
    await expect(page.locator(".basket-line")).to_have_count(2)
    await press("Escape")
    await expect(hall.canvas).to_have_attribute("data-whole", "true")
    await said(page, "池座")
    for _ in range(30):
        if await page.evaluate("document.activeElement.matches('.panel-foot .button')"):
            break
        await press("Tab")
    await press("Enter")
    await expect(page.locator(".items li")).to_have_count(2)
    assert await page.locator(".items li").all_inner_texts() == [
        f"池座 2排{number}座\n¥300" for number in (2, 3)
    ]
    await page.focus('input[value="tok_ok"]')
    await press("Space")
    await press("Enter")
    await expect(page.locator(".ticket")).to_have_count(2)


async def test_arrows_walk_the_rows_of_a_curved_stand_and_come_back(shop: Shop) -> None:
    session = await shop.session_on_sale()
    await shop.open(f"/sessions/{session['session_id']}")
    await HallOnScreen(shop, session["session_id"]).drawn()
    walked = await shop.page.evaluate(
        """async (session) => {
          const [{ SeatModel }, { nextSeat, firstSeat }] = await Promise.all(
            [import("/js/seatmap/model.js"), import("/js/seatmap/walking.js")]);
          const plan = await (await fetch(`/api/v1/sessions/${session}/hall`)).json();
          const state = await (await fetch(`/api/v1/sessions/${session}/seats`)).json();
          const model = new SeatModel(plan);
          model.takeSnapshot(state);
          const there = [[1, 0], [0, 1], [-1, 0], [0, -1]];
          const wrong = [];
          for (const area of model.areas.filter((one) => one.kind === "seated")) {
            const middle = model.seatsOf(area.rows[area.rows.length >> 1])[5];
            for (const way of there) {
              const next = nextSeat(model, middle, way);
              const ahead = next && (next.x - middle.x) * way[0] + (next.y - middle.y) * way[1];
              const back = next && nextSeat(model, next, way.map((step) => -step));
              if (!next || ahead <= 0 || Math.abs(back.number - middle.number) > 1 || back.row !== middle.row)
                wrong.push([area.name, way, next?.row, next?.number, back?.row, back?.number]);
            }
          }
          return wrong;
        }""",
        session["session_id"],
    )
    assert walked == []


async def test_a_wheelchair_user_and_their_companion_get_places_beside_each_other(
    shop: Shop,
) -> None:
    await shop.register()
    _, hall = await open_hall(shop)
    page = shop.page
    await page.click('.map-filters .chip:has-text("无障碍")')
    await said(page, "2 个可选座位符合")
    await hall.canvas.focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Home")
    await said(page, "无障碍座")
    await page.keyboard.press("Enter")
    await page.keyboard.press("ArrowRight")
    await said(page, "1 座的陪同座")
    await page.keyboard.press("Enter")
    async with page.expect_request("**/api/v1/orders") as asked:
        await page.click(".panel-foot .button")
    places = [seat(hall, "1", number)["seat_id"] for number in (1, 2)]
    body = (await asked.value).post_data_json
    assert body is not None
    assert body["seats"] == places
    await expect(page.locator(".items .accessible-mark")).to_have_count(1)


async def test_the_best_seats_for_a_wheelchair_are_its_place_and_the_companion_s(
    shop: Shop,
) -> None:
    await shop.register()
    sale, hall = await open_hall(shop)
    await shop.page.locator(f'label:has(input[value="{sale.seated}"])').click()
    await shop.page.select_option("select[name=accessible]", "1")
    async with shop.page.expect_response("**/api/v1/orders") as answered:
        await shop.page.click(".panel-foot .button")
    order = await (await answered.value).json()
    places = {seat(hall, "1", number)["seat_id"] for number in (1, 2)}
    assert {item["seat_id"] for item in order["items"]} == places


async def test_of_two_people_who_want_one_seat_the_second_is_told_which(visit: Visit) -> None:
    first = await visit("zh", refusals=True)
    await first.register()
    sale, hall = await open_hall(first)
    second = await visit("en", refusals=True)
    await second.register()

    async def hear_nothing(route: Route) -> None:
        await route.fulfill(status=429, json={})

    # The second hears of the first only from the refusal.
    await second.page.route("**/seats/stream", hear_nothing)
    await second.open(f"/sessions/{sale.session_id}")
    theirs = HallOnScreen(second, sale.session_id)
    await theirs.load()
    await second.page.route("**/seats", hear_nothing)
    wanted = seat(hall, "2", 5)
    for one in (hall, theirs):
        await one.click_seat(wanted)
        await expect(one.shop.page.locator(".basket-line")).to_have_count(1)
    await first.page.click(".panel-foot .button")
    await expect(first.page.locator(".items li")).to_have_count(1)
    await second.page.click(".panel-foot .button")
    await expect(second.message).to_contain_text("池座, row 2, seat 5")
    await expect(second.page.locator(".basket-line")).to_have_count(0)
    await expect(second.page.locator(".legend")).to_contain_text("Just taken")


async def test_filters_find_as_many_seats_as_there_are(shop: Shop) -> None:
    sale, hall = await open_hall(shop)
    await sale.buy(sale.seated, 2)
    page = shop.page
    await expect(page.locator(".option", has_text="¥300")).to_contain_text("42")  # it has heard
    await hall.load()
    price = page.locator('.map-filters [data-price="30000"]')
    await price.click()
    await said(page, "42 个可选座位符合")
    await expect(price).to_have_attribute("aria-pressed", "true")
    await page.select_option(".map-filters [name=together]", "6")
    runs = await _runs_of(hall, 6)
    await said(page, f"{runs} 个可选座位符合")
    await page.select_option(".map-filters [name=together]", "1")
    await page.click('.map-filters .chip:has-text("视线无遮挡")')
    await said(page, "40 个可选座位符合")
    await page.select_option(".map-filters [name=level]", "balcony")
    await page.click(".board-switch")
    shown = page.locator("#list-area option")
    assert [one.split(" · ")[0] for one in await shown.all_inner_texts()] == ["池座", "后区"]


async def _runs_of(hall: HallOnScreen, least: int) -> int:
    """Free seats of the rows with so many free ones side by side, wheelchairs and companions apart."""
    found = 0
    for row in "1234":
        seats = [one for one in hall.seats if one["row"] == row]
        special = {1, 2} if row == "1" else set()
        marks = "".join(
            "." if one["seat_id"] in hall.free and one["number"] not in special else "x"
            for one in sorted(seats, key=lambda one: one["number"])
        )
        found += sum(len(run) for run in re.findall(r"\.+", marks) if len(run) >= least)
    return found


async def test_the_card_tells_row_seat_price_and_what_to_expect_of_the_view(shop: Shop) -> None:
    _, hall = await open_hall(shop)
    card = shop.page.locator(".map-card")
    view = await hall.drawn()
    for number, words in ((1, "视线受阻"), (5, "正面")):
        x, y = hall.centre(seat(hall, "4", number))
        at = {"x": x * view["scale"] + view["x"], "y": y * view["scale"] + view["y"]}
        await hall.canvas.hover(position=at)  # type: ignore[arg-type]
        for told in (f"池座 4排{number}座", "¥300", "米", words, "视野开阔"):
            await expect(card).to_contain_text(told)


async def test_a_table_that_is_sold_whole_is_picked_whole(shop: Shop) -> None:
    _, hall = await open_hall(shop)
    await hall.click_seat(seat(hall, "T1", 2))
    lines = shop.page.locator(".basket-line")
    await expect(lines).to_have_count(4)
    await expect(shop.page.locator(".total b")).to_have_text("¥1,200")
    await hall.click_seat(seat(hall, "T1", 4))
    await expect(lines).to_have_count(0)


async def test_the_list_says_what_is_taken_what_it_costs_and_who_sits_beside_whom(
    shop: Shop,
) -> None:
    sale, _ = await open_hall(shop)
    await sale.buy(sale.seated, 1)
    page = shop.page
    await page.click(".board-switch")
    await expect(page.locator("#list-area option").first).to_contain_text("池座 · ¥300 · 余 43")
    about = page.locator(".list-about")
    for words in ("¥300", "A 入口", "米", "视野开阔"):
        await expect(about).to_contain_text(words)
    await page.select_option("#list-row", index=0)
    seats = page.locator(".list-seats .chip")
    await expect(seats.nth(0)).to_contain_text("无障碍座")
    await expect(seats.nth(1)).to_contain_text("1 座的陪同座")
    taken = page.locator(".list-seats .chip[aria-disabled]")
    for row in range(4):
        await page.select_option("#list-row", index=row)
        if await taken.count():
            break
    await expect(taken).to_contain_text("锁定中")
    await taken.click(force=True)  # it can be reached, and does nothing
    await expect(page.locator(".basket-line")).to_have_count(0)
    await page.select_option("#list-area", index=1)
    await expect(about).to_contain_text("站席 · ¥100")
    await page.click(".list-seats .button")
    await expect(page.locator(".total b")).to_have_text("¥200")


async def test_a_finger_that_rests_is_told_and_picks_nothing(visit: Visit) -> None:
    shop = await visit("zh", **PHONE)
    _, hall = await open_hall(shop)
    await hall.enter(hall.areas[0])
    view = await hall.drawn()
    box = await hall.canvas.bounding_box()
    assert box is not None
    rested_on = (await hall.free_in_sight(hall.areas[0]))[0]
    x, y = hall.centre(rested_on)
    touch = {
        "x": x * view["scale"] + view["x"] + box["x"],
        "y": y * view["scale"] + view["y"] + box["y"],
    }
    session = await shop.page.context.new_cdp_session(shop.page)
    await session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [touch]})
    name = f"{rested_on['row']}排{rested_on['number']}座"
    await expect(shop.page.locator(".map-card")).to_contain_text(name)
    await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await expect(shop.page.locator(".map-card")).to_be_visible()
    await expect(shop.page.locator('.segmented [data-mode="own"]')).to_have_text("自己选座")


async def test_a_picked_seat_that_is_out_of_sight_is_marked_at_the_edge(shop: Shop) -> None:
    _, hall = await open_hall(shop)
    picked = seat(hall, "1", 5)
    await hall.click_seat(picked)
    for _ in range(4):
        await shop.page.click(".map-button >> nth=0")
    box = await hall.canvas.bounding_box()
    assert box is not None
    await shop.page.mouse.move(box["x"] + 400, box["y"] + 200)
    await shop.page.mouse.down()
    await shop.page.mouse.move(box["x"] + 400, box["y"] + 10, steps=8)
    await shop.page.mouse.up()
    await shop.page.mouse.move(box["x"] + 400, box["y"] + 500)
    await shop.page.mouse.down()
    await shop.page.mouse.move(box["x"] + 400, box["y"] + 10, steps=8)
    await shop.page.mouse.up()
    view = await hall.drawn()
    x, y = hall.centre(picked)
    assert y * view["scale"] + view["y"] < 0
    along = min(max(x * view["scale"] + view["x"], 30), box["width"] - 30)
    await hall.canvas.click(position={"x": along, "y": 20})
    view = await hall.drawn()
    assert 0 < y * view["scale"] + view["y"] < box["height"]
    await expect(shop.page.locator(".basket-line")).to_have_count(1)
