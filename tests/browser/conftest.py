"""Chromium on the storefront of a running platform.

A missing browser is a failure, never a skip. STAMPEDE_TEST_PLATFORM_URL names a platform that runs
already; otherwise the run's own is used.
"""

import os
from collections.abc import AsyncIterator

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


@pytest.fixture
def shop(page: Page, storefront_url: str) -> Shop:
    return Shop(page, storefront_url)
