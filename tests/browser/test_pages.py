"""What holds on every page: nothing breaks, nothing overflows, text stays text, words are there."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.storefront import Shop, Watch

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "locale": "zh-CN",
    "is_mobile": True,
}
SMALL_PHONE: dict[str, Any] = PHONE | {"viewport": {"width": 320, "height": 640}}
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "dark phone": PHONE | {"color_scheme": "dark"},
    "small phone in English": SMALL_PHONE,
}
IN_ENGLISH = """if (location.protocol !== "about:")
    localStorage.setItem("stampede.language", "en");"""
EVIL = '<script>window.pwned = 1</script><img src=x onerror="window.pwned = 1">'


@pytest.fixture(params=SCREENS)
async def screen(
    request: pytest.FixtureRequest, browser: Browser, watch: Watch
) -> AsyncIterator[Page]:
    context = await browser.new_context(**SCREENS[request.param])
    context.set_default_timeout(15_000)
    await watch.attach(context)
    if "English" in request.param:
        await context.add_init_script(IN_ENGLISH)
    yield await context.new_page()
    await context.close()


async def test_no_page_breaks_overflows_or_offends_the_content_security_policy(
    screen: Page, storefront_url: str, watch: Watch
) -> None:
    shop = Shop(screen, storefront_url)
    show = await shop.flagship()
    session = await shop.session_on_sale()
    await shop.register()
    await shop.order_best(session["session_id"], quantity=1)
    order = screen.url.split("#")[1]
    places = ["/", "/?q=zzzz", f"/shows/{show['show_id']}", f"/sessions/{session['session_id']}"]
    accounts = ["/me", "/login", "/register", "/forgot", "/reset"]
    for path in [*places, order, "/orders", "/tickets", *accounts, "/nowhere"]:
        await shop.open(path)
        width = await screen.evaluate("document.documentElement.scrollWidth")
        assert screen.viewport_size is not None
        assert width <= screen.viewport_size["width"], f"{path} is {width} px wide"
        untranslated = await screen.evaluate(
            r"""document.body.innerText.match(/\b(nav|show|shows|choose|map|order|sale|area|promo|give|tickets|login|forgot|reset|me)\.[a-z]+/)"""
        )
        assert untranslated is None, f"{path} shows {untranslated}"
    assert watch.found == []


async def test_the_content_security_policy_allows_nothing_inline(shop: Shop) -> None:
    answer = await shop.page.goto(shop.url + "/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy or "default-src 'self'" in policy
    assert "unsafe" not in policy


async def test_every_module_is_preloaded(shop: Shop) -> None:
    """Without that the browser would find them level by level, a round trip each."""
    loaded: set[str] = set()
    shop.page.on("request", lambda one: loaded.add(one.url.removeprefix(shop.url + "/")))
    await shop.open("/")
    preloaded = await shop.page.locator("link[rel=modulepreload]").evaluate_all(
        "links => links.map((link) => link.getAttribute('href'))"
    )
    modules = {one for one in loaded if one.endswith(".js")}
    (main,) = modules - set(preloaded)
    assert main.endswith("/js/main.js")
    assert set(preloaded) < modules


async def test_markup_in_a_title_stays_text(shop: Shop) -> None:
    show = await shop.flagship()

    async def put_evil(route: Route) -> None:
        answer = await route.fetch()
        document = await answer.json()
        for one in document.get("shows", [document]):
            one["title"] = one["description"] = one["venue"] = EVIL
        await route.fulfill(response=answer, json=document)

    await shop.page.route("**/api/v1/shows*", put_evil)
    await shop.page.route("**/api/v1/shows/*", put_evil)
    for path, place in (("/", ".card-title"), (f"/shows/{show['show_id']}", "h1")):
        await shop.open(path)
        await expect(shop.page.locator(place).first).to_have_text(EVIL)
        assert await shop.page.evaluate("window.pwned") is None
        assert await shop.page.locator("main script, main img[src=x]").count() == 0


async def test_all_languages_have_the_same_words(shop: Shop) -> None:
    await shop.open("/")
    keys = await shop.page.evaluate(
        """import("/js/languages.js").then(({ LANGUAGES }) => Object.values(LANGUAGES).map(({ words }) =>
            Object.keys(words).filter((key) => !key.endsWith(".one")).sort()))"""
    )
    assert len(keys) >= 2
    assert all(each == keys[0] for each in keys)
    assert len(keys[0]) > 150


async def test_the_language_switch_turns_the_page_and_is_remembered(shop: Shop) -> None:
    await shop.open("/")
    await expect(shop.page.locator("h1")).to_have_text("正在发生的演出")
    await shop.page.click(".language")
    await expect(shop.page.locator("h1")).to_have_text("What's on")
    await shop.page.reload()
    await expect(shop.page.locator("h1")).to_have_text("What's on")
    assert await shop.page.evaluate("document.documentElement.lang") == "en"


async def test_an_overloaded_answer_is_waited_out_as_it_says(shop: Shop, watch: Watch) -> None:
    times: list[float] = []

    async def refuse_once(route: Route) -> None:
        times.append(time.monotonic())
        if len(times) > 1:
            await route.continue_()
            return
        await route.fulfill(status=503, headers={"Retry-After": "1"}, json={"code": "overloaded"})

    show = await shop.flagship()
    await shop.page.route("**/api/v1/shows/*", refuse_once)
    await shop.open(f"/shows/{show['show_id']}")
    assert len(times) == 2
    assert times[1] - times[0] >= 1.0
    watch.found = [one for one in watch.found if "status of 503" not in one]
