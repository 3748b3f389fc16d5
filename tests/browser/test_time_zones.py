"""Times are the venue's, wherever the reader is; its zone is named where the reader's clock differs."""

from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit

MORNING = "大唐长安"  # starts at 9:00 in Xi'an, which is the evening before in Los Angeles
ELSEWHERE = "America/Los_Angeles"
ZONE = {"en": "China Standard Time", "zh": "中国标准时间"}


def day_of(moment: str, language: str) -> str:
    """The day at the venue as the pages write it."""
    there = datetime.fromisoformat(moment).astimezone(ZoneInfo("Asia/Shanghai"))
    if language == "en":
        return f"{there:%a}, {there:%b} {there.day}, {there.year}"
    return f"{there.year}年{there.month}月{there.day}日周{'一二三四五六日'[there.weekday()]}"


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_page_says_the_venues_day_in_los_angeles_too(
    visit: Visit, language: str
) -> None:
    shop = await visit(language, timezone_id=ELSEWHERE)
    page = shop.page
    summary = (await shop.get(f"/shows?q={quote(MORNING)}"))["shows"][0]
    session = (await shop.get(f"/shows/{summary['show_id']}"))["sessions"][0]
    day = day_of(session["date"], language)

    await shop.open(f"/?q={quote(MORNING)}")
    await expect(page.locator(".cards .card-line").first).to_have_text(
        day_of(summary["date"], language)
    )
    await shop.open(f"/shows/{summary['show_id']}")
    await expect(page.locator(".session-face b").first).to_have_text(day)
    await expect(page.locator(".buy-facts")).to_contain_text(ZONE[language])
    await shop.open(f"/sessions/{session['session_id']}")
    full = f"{day} 09:00 ({ZONE[language]})"
    await expect(page.locator(".choose-words p")).to_contain_text(full)
    await shop.register()
    await shop.order_best(session["session_id"], quantity=1)
    await expect(page.locator(".summary")).to_contain_text(full)
    await shop.pay("tok_ok")
    await expect(page.locator(".ticket")).to_contain_text(full)
    for path, place in (("/orders", ".order-row"), ("/tickets", ".ticket")):
        await shop.open(path)
        await expect(page.locator(place)).to_contain_text(full)


async def test_the_opening_of_a_sale_is_told_on_the_venues_clock(visit: Visit) -> None:
    there, here = (
        await visit("en", timezone_id=ELSEWHERE),
        await visit("en", timezone_id="Asia/Shanghai"),
    )
    show = await there.flagship()
    coming = [one for one in show["sessions"] if one["status"] == "scheduled"][-1]
    opens = datetime.fromisoformat(coming["sale_opens_at"]).astimezone(ZoneInfo("Asia/Shanghai"))
    told = f"On sale {day_of(coming['sale_opens_at'], 'en')} {opens:%H:%M}"
    for shop, words in ((there, f"{told} (China Standard Time)"), (here, told)):
        await shop.open(f"/shows/{show['show_id']}?session={coming['session_id']}")
        await expect(shop.page.locator(".buy-facts span").first).to_have_text(words)
