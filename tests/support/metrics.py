"""Reads what Prometheus reads, and docs/metrics.md."""

import asyncio
import re
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.servers import ROOT

PAGE = ROOT / "docs" / "metrics.md"
SCRAPE_S = 30.0
PROCESSES = frozenset({"gateway", "identity", "catalog", "booking", "notification", "worker"})
OF_PYTHON = ("python_", "process_")  # prometheus_client's own; one line of the page
_ROW = re.compile(r"\| `(stampede_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|")


class Family(NamedTuple):
    """A family as it is exported, or as the page has it."""

    type: str
    labels: frozenset[str]


class Row(msgspec.Struct, frozen=True):
    """A line of the page. `always`: exported by each of `processes` from soon after the start."""

    name: str
    family: Family
    processes: frozenset[str]
    always: bool
    text: str


def page(path: Path = PAGE) -> list[Row]:
    rows = []
    for name, type_, labels, processes, text in _ROW.findall(path.read_text(encoding="utf-8")):
        rows.append(
            Row(
                name,
                Family(type_, frozenset(re.findall(r"`(\w+)`", labels))),
                PROCESSES if processes.startswith("all") else _named(processes),
                always=";" not in processes,
                text=text,
            )
        )
    return rows


def _named(processes: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", processes.partition(";")[0]))


async def scrape(url: str) -> list[Metric]:
    timeout = aiohttp.ClientTimeout(total=SCRAPE_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as answer:
            assert answer.status == 200, url
            return list(text_string_to_metric_families(await answer.text()))
    except TimeoutError:
        raise AssertionError(f"{url} does not answer") from None


def families(scraped: list[Metric]) -> dict[str, Family]:
    """Our own, by name: a counter with its `_total`."""
    found = {}
    for one in scraped:
        if not one.name.startswith(OF_PYTHON) and one.samples:
            name = one.name + ("_total" if one.type == "counter" else "")
            labels = {label for sample in one.samples for label in sample.labels} - {"le"}
            found[name] = Family(one.type, frozenset(labels))
    return found


async def scrape_all(urls: dict[str, str]) -> dict[str, dict[str, Family]]:
    scraped = await asyncio.gather(*map(scrape, urls.values()))
    return {name: families(one) for name, one in zip(urls, scraped, strict=True)}
