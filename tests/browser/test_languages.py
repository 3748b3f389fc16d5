"""Which language a visitor meets: what they chose here, else their browser's, else the default."""

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.storefront import BUYER

HEADINGS = {"en": "What's on", "zh-CN": "正在发生的演出"}


@pytest.mark.parametrize(
    ("languages", "lang"),
    [
        (["en-GB"], "en"),
        (["zh-TW"], "zh-CN"),
        (["tlh", "zh-CN", "en"], "zh-CN"),
        (["tlh", "en", "zh-CN"], "en"),
        (["tlh"], "zh-CN"),
        ([], "zh-CN"),
    ],
)
async def test_a_visitor_meets_the_first_of_their_languages_that_there_is(
    visit: Visit, languages: list[str], lang: str
) -> None:
    shop = await visit()
    await shop.page.add_init_script(
        f"Object.defineProperty(navigator, 'languages', {{ get: () => {languages} }});"
    )
    await shop.open("/")
    await expect(shop.page.locator("h1")).to_have_text(HEADINGS[lang])
    assert await shop.page.evaluate("document.documentElement.lang") == lang


async def test_a_choice_made_here_is_stronger_than_the_browser(visit: Visit) -> None:
    shop = await visit("en")
    await shop.open("/")
    await shop.page.get_by_role("button", name="中文", exact=True).click()
    await expect(shop.page.locator("h1")).to_have_text(HEADINGS["zh-CN"])
    await shop.page.reload()
    await expect(shop.page.locator("h1")).to_have_text(HEADINGS["zh-CN"])
    await expect(shop.page.get_by_role("button", name="English", exact=True)).to_be_visible()


async def test_an_account_of_the_demo_does_not_turn_its_visitor_s_language(visit: Visit) -> None:
    shop = await visit("en")
    await shop.open("/login?next=/me")
    await shop.page.get_by_role("button", name="Log in with it").click()
    await expect(shop.page.locator(".account-card .lead")).to_have_text(BUYER.email)
    assert await shop.page.evaluate("document.documentElement.lang") == "en"


async def test_more_than_two_languages_are_a_menu(visit: Visit) -> None:
    shop = await visit("en")

    async def add_a_third(route: Route) -> None:
        answer = await route.fetch()
        words = (
            await answer.text()
        ) + "LANGUAGES.tlh = {...LANGUAGES.en, name: 'tlhIngan', tag: 'tlh'};"
        await route.fulfill(response=answer, body=words)

    await shop.page.route("**/js/languages.js", add_a_third)
    await shop.open("/")
    menu = shop.page.get_by_label("Language", exact=True)
    assert await menu.locator("option").all_inner_texts() == ["中文", "English", "tlhIngan"]
    await expect(menu).to_have_value("en")
    await menu.select_option("tlh")
    assert await shop.page.evaluate("document.documentElement.lang") == "tlh"
    await menu.select_option("zh")
    await expect(shop.page.locator("h1")).to_have_text(HEADINGS["zh-CN"])
    await shop.page.reload()
    await expect(shop.page.get_by_label("语言", exact=True)).to_have_value("zh")
