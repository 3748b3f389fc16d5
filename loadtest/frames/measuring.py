"""One walk over the map in Chromium, and what its frames took."""

import asyncio
import statistics
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, ViewportSize

DESKTOP = ViewportSize(width=1280, height=800)
STEPS = 90  # moves of the mouse a walk, one every 1/60 s
STEP_S = 1 / 60
RECORD = """(() => {
  window.frames_ms = [];
  let last = null;
  const tick = (now) => {
    if (last !== null) window.frames_ms.push(now - last);
    last = now;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
})();"""
DRAWN = "canvas.map-canvas[data-scale]"


@dataclass
class Walk:
    """first_ms: from the navigation to the first drawn map. By the part of the walk: frames_ms, from each
    frame to the next; cpu_ms, what the page's thread ran in a frame on average, which others' work does
    not lengthen."""

    first_ms: float
    heap_mb: float
    weights: dict[str, int]
    frames_ms: dict[str, list[float]] = field(default_factory=dict)
    cpu_ms: dict[str, float] = field(default_factory=dict)


async def walk(browser: Browser, url: str, *, slower: int = 1) -> Walk:
    """Opens the map at `url` and moves over it. `slower`: by how much the processor is throttled."""
    context = await browser.new_context(viewport=DESKTOP)
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    weights: dict[str, int] = {}
    await session.send("Network.enable")
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})
    session.on("Network.responseReceived", lambda event: _name(event, names))
    names: dict[str, str] = {}
    session.on(
        "Network.loadingFinished",
        lambda event: weights.__setitem__(
            names.get(event["requestId"], "?"), round(event["encodedDataLength"])
        ),
    )
    await page.add_init_script(RECORD)
    await page.goto(url)
    await page.wait_for_selector(DRAWN, timeout=60_000)
    first_ms = float(await page.evaluate("performance.now()"))
    await asyncio.sleep(1.5)
    made = Walk(first_ms, 0.0, weights)
    box = await page.locator("canvas.map-canvas").bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.62)
    for name, part in PARTS.items():
        await page.evaluate("window.frames_ms.length = 0")
        before = await _busy_s(session)
        await part(page, middle)
        busy_s = await _busy_s(session) - before
        made.frames_ms[name] = (await page.evaluate("window.frames_ms"))[1:]
        made.cpu_ms[name] = 1000 * busy_s / max(1, len(made.frames_ms[name]))
    heap = await session.send("Runtime.getHeapUsage")
    made.heap_mb = heap["usedSize"] / 1e6
    await context.close()
    return made


async def _busy_s(session: CDPSession) -> float:
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def _name(event: Any, names: dict[str, str]) -> None:
    path = event["response"]["url"].split("/api/v1/")[-1]
    names[event["requestId"]] = (
        path.rsplit("/", 1)[-1] if "/api/v1/" in event["response"]["url"] else "page"
    )


async def _rest(page: Page, middle: tuple[float, float]) -> None:
    """Nobody moves; seats change."""
    await asyncio.sleep(STEPS * STEP_S)


async def _zoom_in(page: Page, middle: tuple[float, float]) -> None:
    await page.mouse.move(*middle)
    for _ in range(STEPS // 3):
        await page.mouse.wheel(0, -26)
        await asyncio.sleep(STEP_S)


async def _pan(page: Page, middle: tuple[float, float]) -> None:
    x, y = middle
    await page.mouse.move(x, y)
    await page.mouse.down()
    for step in range(STEPS):
        ahead = step if step < STEPS / 2 else STEPS - step
        await page.mouse.move(x - ahead * 6, y - ahead * 3)
        await asyncio.sleep(STEP_S)
    await page.mouse.up()


async def _zoom_out(page: Page, middle: tuple[float, float]) -> None:
    await page.mouse.move(*middle)
    for _ in range(STEPS // 2):
        await page.mouse.wheel(0, 40)
        await asyncio.sleep(STEP_S)


PARTS = {
    "overview, seats changing": _rest,
    "zooming in": _zoom_in,
    "panning over seats": _pan,
    "zooming in further": _zoom_in,
    "panning, near": _pan,
    "zooming out": _zoom_out,
}


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


@dataclass
class Summary:
    """Medians over the walks of a part: of their medians, p95 and CPU; and the least and most p95 of them."""

    median_ms: float
    tail_ms: float
    tail_least_ms: float
    tail_most_ms: float
    cpu_ms: float


def summary(walks: list[Walk], part: str) -> Summary:
    tails = [percentile(one.frames_ms[part], 0.95) for one in walks]
    return Summary(
        statistics.median(statistics.median(one.frames_ms[part]) for one in walks),
        statistics.median(tails),
        min(tails),
        max(tails),
        statistics.median(one.cpu_ms[part] for one in walks),
    )
