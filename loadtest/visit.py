"""What a visit of the storefront costs a phone: `python -m loadtest.visit http://localhost:8000`.

Chromium on a link of 1.6 Mbit/s with a round trip of 150 ms (Lighthouse's slow 4G): the first visit and
the next one, each until the shows are on the page. Bytes are on the wire, without headers.
"""

import asyncio
import json
import sys
import time
from typing import Any

from playwright.async_api import Browser, async_playwright

LINK = {
    "offline": False,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 750_000 / 8,
    "latency": 150,
}
DRAWN = ".card-title"
VISITS = ("first", "repeat")
DEADLINE_MS = 60_000
SETTLED_MS = 2_000  # requests in this time after the shows appear also count


async def measure(url: str) -> dict[str, Any]:
    """Requests, bytes and seconds of both visits."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium")
        try:
            return await _visits(browser, url)
        finally:
            await browser.close()


async def _visits(browser: Browser, url: str) -> dict[str, Any]:
    context = await browser.new_context()
    found = {}
    for visit in VISITS:
        page = await context.new_page()
        devtools = await context.new_cdp_session(page)
        await devtools.send("Network.enable")
        await devtools.send("Network.emulateNetworkConditions", LINK)
        sent: list[Any] = []
        received: list[Any] = []
        devtools.on("Network.responseReceived", lambda one: sent.append(one))  # noqa: B023,PLW0108
        devtools.on("Network.loadingFinished", lambda one: received.append(one))  # noqa: B023,PLW0108
        began = time.monotonic()
        await page.goto(url, wait_until="commit", timeout=DEADLINE_MS)
        await page.locator(DRAWN).first.wait_for(timeout=DEADLINE_MS)
        drawn_s = time.monotonic() - began
        await page.wait_for_timeout(SETTLED_MS)
        kept = {one["requestId"] for one in sent if one["response"].get("fromDiskCache")}
        found[visit] = {
            "requests": sum(one["requestId"] not in kept for one in sent),
            "kilobytes": round(
                sum(one["encodedDataLength"] for one in received if one["requestId"] not in kept)
                / 1000,
                1,
            ),
            "seconds": round(drawn_s, 2),
        }
        await page.close()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1])), indent=2))
