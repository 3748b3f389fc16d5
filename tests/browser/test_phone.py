"""Choosing seats in one hand: what is needed to buy is in sight at once, and nothing covers anything."""

from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import DESKTOP, PHONE, Visit
from tests.browser.storefront import HallOnScreen, Shop

PHONES = [(390, 844), (360, 640)]
# Every text of the newest picture of the hall, which is larger than a tile: its box in CSS pixels, with a
# pixel round it.
RECORD_TEXTS = """(() => {
  const { fillText, fillRect } = CanvasRenderingContext2D.prototype;
  window.texts = [];
  const isPicture = (canvas) => !canvas.isConnected && canvas.width > 300;
  CanvasRenderingContext2D.prototype.fillRect = function (...where) {
    if (isPicture(this.canvas)) window.texts = [];
    return fillRect.apply(this, where);
  };
  CanvasRenderingContext2D.prototype.fillText = function (words, x, y) {
    const size = Number.parseFloat(this.font.match(/([0-9.]+)px/)[1]);
    const { width } = this.measureText(words);
    const [left, right, top, bottom] = [x - width / 2 - 1, x + width / 2 + 1, y - size / 2, y + size / 2];
    if (isPicture(this.canvas)) window.texts.push({ words, left, right, top, bottom });
    return fillText.call(this, words, x, y);
  };
})();"""


# What stands on each line of a paragraph, as it is broken.
LINES = """(one) => {
  const [text, lines, range] = [one.firstChild, new Map(), document.createRange()];
  for (let at = 0; at < text.length; at += 1) {
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    const top = Math.round(range.getBoundingClientRect().top);
    lines.set(top, (lines.get(top) ?? "") + text.data[at]);
  }
  return [...lines.values()].map((line) => line.trim());
}"""


async def on_a_phone(visit: Visit, language: str, size: tuple[int, int]) -> Shop:
    viewport = {"width": size[0], "height": size[1]}
    return await visit(language, **PHONE | {"viewport": viewport})


async def is_in_sight(place: Locator) -> bool:
    """Whole within the window, and itself what lies at its middle and near its ends."""
    seen: bool = await place.evaluate(
        """element => {
          const { left, right, top, bottom } = element.getBoundingClientRect();
          const within = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
          const at = (x, y) => {
            const found = document.elementFromPoint(x, y);
            return element.contains(found) || found?.contains(element);
          };
          const middle = (top + bottom) / 2;
          return within && [left + 4, (left + right) / 2, right - 4].every((x) => at(x, middle));
        }"""
    )
    return seen


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_map_s_head_says_day_hour_zone_and_venue_in_whole(
    visit: Visit, language: str
) -> None:
    shop = await visit(language, timezone_id="America/Los_Angeles", **PHONE)
    session = await shop.session_on_sale()
    await shop.open(f"/sessions/{session['session_id']}")
    words = shop.page.locator(".choose-words p")
    await expect(words).to_contain_text("19:30")
    assert await words.evaluate(
        "one => one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight + 1"
    )
    for place in ("#best-area", ".total b", ".panel-foot .button", "canvas.map-canvas"):
        assert await is_in_sight(shop.page.locator(place)), place
    lines = await words.evaluate(LINES)
    venue = (await shop.flagship())["venue"]
    assert not [line for line in lines if line.startswith("·")], lines
    assert any(venue in line for line in lines), lines


@pytest.mark.parametrize("size", PHONES)
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_area_price_and_button_are_in_sight_together(
    visit: Visit, language: str, size: tuple[int, int]
) -> None:
    shop = await on_a_phone(visit, language, size)
    session = await shop.session_on_sale()
    await shop.open(f"/sessions/{session['session_id']}")
    places = (
        "#best-area",
        ".stepper-number",
        ".total b",
        ".panel-foot .button",
        "canvas.map-canvas",
    )
    for place in places:
        assert await is_in_sight(shop.page.locator(place)), place
    assert await shop.page.evaluate("document.scrollingElement.scrollHeight <= innerHeight")


async def test_the_area_proposed_is_in_sight_on_a_desk_too(visit: Visit) -> None:
    shop = await visit("en", viewport=DESKTOP)
    session = await shop.session_on_sale()
    await shop.open(f"/sessions/{session['session_id']}")
    proposed = ".option:has(input:checked)"
    await shop.page.wait_for_function(
        """place => document.querySelector(place).getBoundingClientRect().bottom
            <= document.querySelector(".stepper-row").getBoundingClientRect().top""",
        arg=proposed,
    )
    for place in (proposed, ".total b", ".panel-foot .button"):
        assert await is_in_sight(shop.page.locator(place)), place


async def test_the_cheapest_area_is_preselected_and_the_menu_chooses_another(visit: Visit) -> None:
    shop = await on_a_phone(visit, "en", PHONES[0])
    session = await shop.session_on_sale()
    prices = {area["area_id"]: area["price"] for area in session["seat_areas"]}
    await shop.open(f"/sessions/{session['session_id']}")
    menu, total = shop.page.locator("#best-area"), shop.page.locator(".total")
    assert prices[(await menu.input_value()).removeprefix("area ")] == min(prices.values())
    await expect(total).to_contain_text(f"CN¥{min(prices.values()) // 100} × 2")
    dearest = max(prices, key=lambda area_id: prices[area_id])
    await menu.select_option(f"area {dearest}")
    await expect(total).to_contain_text(f"CN¥{prices[dearest] // 100:,} × 2")


@pytest.mark.parametrize("size", PHONES)
async def test_every_picked_seat_can_be_seen_above_the_button(
    visit: Visit, size: tuple[int, int]
) -> None:
    shop = await on_a_phone(visit, "zh", size)
    session = await shop.session_on_sale()
    await shop.open(f"/sessions/{session['session_id']}")
    await shop.page.click(".board-switch")
    chips = shop.page.locator('.list-seats .chip[aria-pressed="false"]:not([aria-disabled])')
    for _ in range(session["max_tickets_per_user"]):
        await chips.first.click()
    lines = shop.page.locator(".basket-line")
    await expect(lines).to_have_count(session["max_tickets_per_user"])
    for number in range(await lines.count()):
        await lines.nth(number).scroll_into_view_if_needed()
        assert await is_in_sight(lines.nth(number)), number
    assert await is_in_sight(shop.page.locator(".panel-foot .button"))


def collisions(texts: list[Any]) -> list[str]:
    return [
        f"{one['words']} and {two['words']}"
        for number, one in enumerate(texts)
        for two in texts[number + 1 :]
        if one["left"] < two["right"]
        and two["left"] < one["right"]
        and one["top"] < two["bottom"]
        and two["top"] < one["bottom"]
    ]


@pytest.mark.parametrize("size", [*PHONES, (1280, 900)])
async def test_no_label_of_the_map_covers_another(visit: Visit, size: tuple[int, int]) -> None:
    shop = await on_a_phone(visit, "zh", size)
    await shop.page.add_init_script(RECORD_TEXTS)
    session = await shop.session_on_sale()
    await shop.open(f"/sessions/{session['session_id']}")
    hall = HallOnScreen(shop, session["session_id"])
    await hall.load()
    await hall.drawn()
    far = await shop.page.evaluate("window.texts")
    assert collisions(far) == []
    named = {text["words"] for text in far}
    short = {area["name"]: area["name"].split()[-1] for area in hall.areas}
    missing = [name for name in short if not named & {name, short[name], short[name].rstrip("区")}]
    assert missing == []
    for _ in range(4):  # areas with their seats, and then rows
        await shop.page.click(".map-button >> nth=0")
        await hall.drawn()
        texts = await shop.page.evaluate("window.texts")
        assert texts
        assert collisions(texts) == []


async def test_a_label_that_would_cover_another_is_shortened_moved_or_left_out(shop: Shop) -> None:
    await shop.open("/")
    placed = await shop.page.evaluate(
        """async () => {
          const { Labels } = await import("/js/seatmap/labels.js");
          const labels = new Labels();
          labels.begin(document.createElement("canvas").getContext("2d"), "sans-serif", "white");
          const line = (words) => [{ words, size: 12, weight: 400, ink: "black" }];
          labels.reserve({ left: 300, top: 90, width: 20, height: 20 });
          const first = labels.place([line("看台 201区")], 100, 100);
          const right = first.left + first.width + 20;
          return {
            same: labels.place([line("看台 202区")], 100, 100),
            overlapping: labels.place([line("看台 202区")], first.left, 108),
            reserved: labels.place([line("看台 203区")], 310, 100),
            shortened: labels.place([line("看台 204区 看台"), line("4")], right, 100)?.width,
            beside: labels.place([line("看台 205区")], 100, 140) !== null,
          };
        }"""
    )
    shortened = placed.pop("shortened")
    assert placed == {"same": None, "overlapping": None, "reserved": None, "beside": True}
    assert shortened < 30
