"""Chromium on the storefront of a running platform.

A missing browser is a failure, never a skip. STAMPEDE_TEST_PLATFORM_URL names a platform that runs
already; otherwise the run's own is used.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright

from tests.browser.storefront import Shop, Watch

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = ViewportSize(width=1280, height=900)


@pytest.fixture(scope="session")
def storefront_url(request: pytest.FixtureRequest) -> str:
    """Where the storefront is served, without a slash at the end."""
    given = os.environ.get("STAMPEDE_TEST_PLATFORM_URL")
    return (given or str(request.getfixturevalue("platform_url"))).rstrip("/")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        await started.close()


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    made = await browser.new_context(viewport=DESKTOP, reduced_motion="reduce", locale="zh-CN")
    made.set_default_timeout(15_000)
    yield made
    await made.close()


@pytest.fixture
async def watch(context: BrowserContext) -> Watch:
    """Everything that went wrong on this test's pages."""
    watching = Watch()
    await watching.attach(context)
    return watching


@pytest.fixture
async def page(context: BrowserContext, watch: Watch) -> AsyncIterator[Page]:
    """A page on which nothing may go wrong unnoticed: console, scripts, content security policy."""
    opened = await context.new_page()
    yield opened
    assert watch.found == []


PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
LOCALES = {"zh": "zh-CN", "en": "en-US"}
Visit = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def visit(browser: Browser, storefront_url: str) -> AsyncIterator[Visit]:
    """`await visit("en", timezone_id=…, **PHONE)`: the storefront in a browser of its own, with a clock
    and languages of its own, on which nothing may go wrong unnoticed either."""
    watch = Watch()
    async with AsyncExitStack() as stack:

        async def begin(language: str = "zh", *, refusals: bool = False, **how: Any) -> Shop:
            options = {"viewport": DESKTOP, "locale": LOCALES[language]} | how
            context = await browser.new_context(reduced_motion="reduce", **options)
            stack.push_async_callback(context.close)
            context.set_default_timeout(15_000)
            watch.refusals_expected |= refusals
            await watch.attach(context)
            return Shop(await context.new_page(), storefront_url)

        yield begin
    assert watch.found == []


@pytest.fixture
def shop(page: Page, storefront_url: str) -> Shop:
    return Shop(page, storefront_url)
