"""What can be bought now is said by the server's clock and by the seats as they are, without a reload."""

from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.sale import SmallSale
from tests.browser.storefront import Shop


def minutes_from_now(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(timespec="seconds")


async def with_a_wrong_clock(visit: Visit) -> Shop:
    """In a browser whose own clock is three days late, and which a test winds forward."""
    shop = await visit("en", timezone_id="America/Los_Angeles")
    await shop.page.clock.install(time=datetime.now(UTC) - timedelta(days=3))
    return shop


async def test_cards_say_what_a_sale_is_and_turn_when_it_opens_and_closes(visit: Visit) -> None:
    shop = await with_a_wrong_clock(visit)
    opens, closes = minutes_from_now(10), minutes_from_now(20)
    states: list[dict[str, Any]] = [
        {"sale_state": "upcoming", "sale_opens_at": opens, "sale_closes_at": None},
        {"sale_state": "open", "sale_opens_at": None, "sale_closes_at": closes},
        {"sale_state": "sold_out", "sale_opens_at": None, "sale_closes_at": closes},
        {"sale_state": "closed", "sale_opens_at": None, "sale_closes_at": None},
    ]

    async def four(route: Route) -> None:
        answer = await route.fetch()
        document = await answer.json()
        shows = document["shows"][: len(states)]
        document["shows"] = [show | state for show, state in zip(shows, states, strict=True)]
        await route.fulfill(response=answer, json=document)

    await shop.page.route("**/api/v1/shows?*", four)
    await shop.open("/")
    badges = shop.page.locator(".cards .badge")
    await expect(badges).to_have_text(["Not on sale yet", "On sale", "Sold out", "Sale ended"])
    await shop.page.clock.fast_forward("10:05")
    await expect(badges).to_have_text(["On sale", "On sale", "Sold out", "Sale ended"])
    await shop.page.clock.fast_forward("10:05")
    await expect(badges).to_have_text(["On sale", "Sale ended", "Sale ended", "Sale ended"])


async def test_a_shows_tile_and_its_button_turn_when_the_sale_opens_and_closes(
    visit: Visit,
) -> None:
    shop = await with_a_wrong_clock(visit)
    show = await shop.flagship()
    times = {"sale_opens_at": minutes_from_now(10), "sale_closes_at": minutes_from_now(20)}

    async def coming(route: Route) -> None:
        answer = await route.fetch()
        document = await answer.json()
        document["sessions"] = [document["sessions"][0] | times | {"status": "scheduled"}]
        await route.fulfill(response=answer, json=document)

    await shop.page.route("**/api/v1/shows/*", coming)
    await shop.open(f"/shows/{show['show_id']}")
    tile, button = shop.page.locator(".session-tile .badge"), shop.page.locator(".buy-bar .button")
    await expect(tile).to_have_text("Coming soon")
    await expect(shop.page.locator(".buy-facts")).to_contain_text("On sale ")
    await expect(button).to_be_disabled()
    await shop.page.clock.fast_forward("10:05")
    await expect(tile).to_have_text("On sale")
    await expect(button).to_have_text("Choose seats")
    await expect(button).to_have_attribute(
        "href", f"#/sessions/{show['sessions'][0]['session_id']}"
    )
    await shop.page.clock.fast_forward("10:05")
    await expect(tile).to_have_text("Sale ended")
    await expect(button).to_be_disabled()
    await expect(button).to_have_text("Sale ended")
    await expect(shop.page.locator(".buy-facts")).to_contain_text("The sale ended ")
    await expect(shop.page.locator(".area-list .left")).to_have_count(0)


async def test_never_more_is_offered_than_is_left_and_nothing_of_what_is_sold_out(
    visit: Visit,
) -> None:
    shop = await visit("en")
    sale = await SmallSale(shop).open()
    page = shop.page
    await shop.open(f"/sessions/{sale.session_id}")
    await expect(page.locator(".live")).to_have_attribute("data-state", "live")
    await page.check(f'input[value="{sale.seated}"]', force=True)
    number, button = page.locator(".stepper-number"), page.locator(".panel-foot .button")
    await expect(number).to_have_text("2")
    await sale.buy(sale.seated, 2)
    await expect(number).to_have_text("1")
    await expect(page.locator(".total")).to_contain_text("× 1")
    await expect(page.locator(".stepper-button").last).to_be_disabled()
    last = await sale.buy(sale.seated, 1)
    await expect(button).to_be_disabled()
    await expect(button).to_have_text("Sold out")
    await sale.let_go(last)
    await expect(button).to_be_enabled()

    await sale.buy(sale.standing, 3)
    await sale.buy(sale.seated, 1)
    await expect(page.locator(".choose-state .badge")).to_have_text("Sold out")
    await page.click('.segmented [data-mode="own"]')
    await expect(button).to_be_disabled()
    await expect(button).to_have_text("Sold out")


async def test_a_paused_sale_says_so_on_an_open_page_and_goes_on_by_itself(visit: Visit) -> None:
    shop = await visit("en")
    sale = await SmallSale(shop).open()
    page = shop.page
    await shop.open(f"/sessions/{sale.session_id}")
    await expect(page.locator(".live")).to_have_attribute("data-state", "live")
    button, foot = page.locator(".panel-foot .button"), page.locator(".panel-foot")
    await expect(button).to_be_enabled()
    await sale.steer("pause")
    await expect(button).to_be_disabled()
    await expect(button).to_have_text("Paused")
    await expect(foot).to_contain_text("paused for a moment and goes on by itself")
    await expect(page.locator(".choose-state .badge")).to_have_text("Paused")
    await page.reload()  # whoever comes during the pause
    await expect(button).to_have_text("Paused")
    await sale.steer("resume")
    await expect(button).to_be_enabled()
    await expect(foot).not_to_contain_text("paused")


async def test_the_page_of_a_paused_show_turns_when_the_sale_goes_on(visit: Visit) -> None:
    shop = await with_a_wrong_clock(visit)
    show = await shop.flagship()
    paused = [True]
    times = {"sale_opens_at": minutes_from_now(-10), "sale_closes_at": minutes_from_now(20)}

    async def standing(route: Route) -> None:
        answer = await route.fetch()
        document = await answer.json()
        now = times | {"paused": bool(paused)}
        document["sessions"] = [session | now for session in document["sessions"]]
        await route.fulfill(response=answer, json=document)

    await shop.page.route("**/api/v1/shows/*", standing)
    await shop.open(f"/shows/{show['show_id']}")
    button = shop.page.locator(".buy-bar .button")
    await expect(button).to_be_disabled()
    await expect(button).to_have_text("Paused")
    await expect(shop.page.locator(".buy-facts")).to_contain_text("goes on by itself")
    await expect(shop.page.locator(".session-tile .badge").first).to_have_text("Paused")
    await expect(shop.page.locator(".buy-bar a")).to_have_text("See the seats")
    paused.clear()
    await shop.page.clock.fast_forward("00:13")
    await expect(button).to_have_text("Choose seats")


async def test_the_page_of_a_sold_out_session_has_no_live_button(visit: Visit) -> None:
    shop = await visit("en")
    show = await shop.flagship()

    async def sold_out(route: Route) -> None:
        answer = await route.fetch()
        document = await answer.json()
        session = document["sessions"][0]
        areas = [area | {"available": 0} for area in session["seat_areas"]]
        document["sessions"] = [session | {"status": "sold_out", "seat_areas": areas}]
        await route.fulfill(response=answer, json=document)

    await shop.page.route("**/api/v1/shows/*", sold_out)
    await shop.open(f"/shows/{show['show_id']}")
    await expect(shop.page.locator(".buy-bar .button")).to_be_disabled()
    await expect(shop.page.locator(".buy-bar .button")).to_have_text("Sold out")
    await expect(shop.page.locator(".buy-bar a")).to_have_text("See if seats come back")


async def test_the_tabs_title_follows_an_order_that_is_paid_and_one_that_runs_out(
    visit: Visit,
) -> None:
    shop = await visit("en")
    await shop.page.clock.install()
    session = await shop.session_on_sale()
    await shop.register()
    await shop.order_best(session["session_id"], quantity=1)
    await expect(shop.page).to_have_title("Your seats are held · Stampede")
    await shop.pay("tok_ok")
    await expect(shop.page).to_have_title("Paid. Enjoy the show! · Stampede")
    await shop.order_best(session["session_id"], quantity=1)
    await expect(shop.page).to_have_title("Your seats are held · Stampede")
    await shop.page.clock.fast_forward("15:05")
    await expect(shop.page).to_have_title("Order expired · Stampede")
