"""`python -m loadtest.frames [TREE…]`: the seat map of these trees (default: this one) in turns, as Markdown.

A tree is a checkout; an older one without the compact hall is given the same hall as a seat map.
"""

import argparse
import asyncio
import gzip
import os
import statistics
import sys
from pathlib import Path

import msgspec
from playwright.async_api import async_playwright

from loadtest.frames.measuring import DESKTOP, PARTS, Walk, summary, walk
from loadtest.frames.server import Made, served
from loadtest.frames.stadium import SESSION, Stadium, seat_map

HERE = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
CHANGES_PER_S = 200.0
SLOWER = (1, 4)

Runs = dict[tuple[Path, int], list[Walk]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trees", nargs="*", type=Path, default=[HERE])
    parser.add_argument("--seats", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    asyncio.run(measure([tree.resolve() for tree in asked.trees], asked.seats, asked.rounds))


async def measure(trees: list[Path], seats: int, rounds: int) -> None:
    hall = Stadium(seats).hall()
    runs: Runs = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for _ in range(rounds):
            for slower in SLOWER:
                for tree in trees:
                    async with served(tree, Made(hall, CHANGES_PER_S)) as url:
                        made = await walk(browser, f"{url}/#/sessions/{SESSION}", slower=slower)
                    print(f"{tree.name}, {slower}: measured", file=sys.stderr, flush=True)
                    runs.setdefault((tree, slower), []).append(made)
        said = f"Chromium {browser.version} without a GPU, {DESKTOP['width']} × {DESKTOP['height']}"
        await browser.close()
    print(
        f"{hall['seat_count']:,} seats, {CHANGES_PER_S:.0f} changes a second, {said}, {rounds} rounds, "
    )
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n")
    report(runs)
    weigh(hall)


def report(runs: Runs) -> None:
    print(
        "| tree | processor | part | frame, median ms | p95 | p95 of the rounds | CPU a frame, ms |"
        "\n|---|---|---|---|---|---|---|"
    )
    for (tree, slower), walks in sorted(runs.items(), key=lambda one: (one[0][1], str(one[0][0]))):
        speed = "as it is" if slower == 1 else f"{slower} × slower"
        for part in PARTS:
            took = summary(walks, part)
            rounds = f"{took.tail_least_ms:.0f} to {took.tail_most_ms:.0f}"
            print(
                f"| {tree.name} | {speed} | {part} | {took.median_ms:.1f} | {took.tail_ms:.0f} "
                f"| {rounds} | {took.cpu_ms:.1f} |"
            )
    print(
        "\n| tree | processor | first map, ms | heap, MB | plan, kB | states, kB |\n|---|---|---|---|---|---|"
    )
    for (tree, slower), walks in runs.items():
        first = statistics.median(one.first_ms for one in walks)
        heap = statistics.median(one.heap_mb for one in walks)
        weights = walks[-1].weights
        plan = weights.get("hall", weights.get("seat-map", 0)) / 1000
        states = weights.get("seats", 0) / 1000
        print(f"| {tree.name} | {slower} | {first:.0f} | {heap:.0f} | {plan:.0f} | {states:.0f} |")


def weigh(hall: dict[str, object]) -> None:
    """What the plan weighs in both forms, whole and compressed."""
    for name, form in (("hall", hall), ("seat-map", seat_map(hall))):
        body = msgspec.json.encode(form)
        print(
            f"\n{name}: {len(body) / 1000:,.0f} kB, {len(gzip.compress(body)) / 1000:,.0f} kB compressed"
        )


if __name__ == "__main__":
    main()
