"""The metrics of a running platform: as docs/metrics.md says, no more and no less, and bounded."""

import asyncio
import time
from typing import Any

from tests.e2e.test_buyer import PAY, order_two
from tests.support.api import Api
from tests.support.metrics import Family, Row, page, scrape, scrape_all
from tests.support.platform import RunningPlatform

SOON_S = 90.0  # a leader has measured everything once, on a machine that has other work
KEPT_S = 1.1  # a scrape is kept for a second
SERIES_MAX = 10_000


def rows_by_name() -> dict[str, Row]:
    return {row.name: row for row in page()}


def missing(exported: dict[str, dict[str, Family]]) -> list[str]:
    """What the page promises always, and a process does not export."""
    apart = "worker" in exported
    return [
        f"{row.name} of {process}"
        for row in page()
        if row.always
        for process in (row.processes if apart else {"up"})
        if row.name not in exported[process]
    ]


async def sell_something(api: Api, session: Any) -> None:
    buyer = await api.register()
    order = await order_two(api, buyer, session)
    paid = await api.post(f"/orders/{order['order_id']}/pay", PAY, token=buyer.token)
    assert paid.status == 200, paid


async def test_the_page_names_exactly_what_is_exported(
    platform: RunningPlatform, api: Api, session: Any
) -> None:
    await sell_something(api, session)
    deadline = time.monotonic() + SOON_S
    while left := missing(exported := await scrape_all(platform.metrics_urls)):
        assert time.monotonic() < deadline, f"not exported: {left}"
        await asyncio.sleep(KEPT_S)
    documented = rows_by_name()
    wrong = [
        f"{process} exports {name} as {family}"
        for process, found in exported.items()
        for name, family in found.items()
        if name not in documented
        or documented[name].family != family
        or (process != "up" and process not in documented[name].processes)
    ]
    assert wrong == []


def test_every_metric_says_what_it_means_and_has_its_unit() -> None:
    rows = page()
    assert len(rows) == len(rows_by_name()) > 60
    for row in rows:
        assert len(row.text) > 10, row
        assert row.name.endswith("_total") is (row.family.type == "counter"), row.name
        if row.family.type == "histogram":
            assert row.name.endswith(("_seconds", "_items", "_events")), row.name
        assert "milliseconds" not in row.text


async def test_no_client_makes_a_label(platform: RunningPlatform, api: Api, session: Any) -> None:
    """Paths, methods, providers, codes and tokens of their own: the series are as many as before."""
    canary = "k4n4ry"
    gateway = platform.metrics_urls.get("gateway", platform.metrics_urls.get("up", ""))

    async def bother(number: int) -> None:
        word = f"{canary}{number}"
        await api.get(f"{platform.base_url}/{word}")
        await api.get(f"/orders/{word}")
        await api.get(f"/sessions/{word}/{word}")
        await api.post(f"/payments/webhooks/{word}", {"id": word})
        await api.call(word.upper(), f"/shows/{word}")
        await api.get(f"/shows?{word}={word}", token=word)
        await api.post("/check-ins", {"code": word, "gate": word}, token=word)

    async def series() -> set[str]:
        await asyncio.sleep(KEPT_S)
        found = set()
        for url in platform.metrics_urls.values():
            for family in await scrape(url):
                assert canary not in repr(family).lower(), family.name
                found |= {f"{one.name}{sorted(one.labels.items())}" for one in family.samples}
        return found

    await sell_something(api, session)
    await bother(0)
    before = await series()
    for number in range(1, 20):
        await bother(number)
    after = await series()
    new = {one for one in after - before if canary in one}
    assert new == set()
    assert len(after) < SERIES_MAX
    requests = [one for one in await scrape(gateway) if one.name == "stampede_gateway_answers"]
    labels = [one.labels for family in requests for one in family.samples]
    assert {"OTHER"} <= {one["method"] for one in labels}
    assert {one["status_class"] for one in labels} <= {"2xx", "3xx", "4xx", "5xx", "other"}


async def test_an_order_is_counted_all_along_its_way(
    platform: RunningPlatform, api: Api, session: Any
) -> None:
    async def counted() -> dict[str, float]:
        await asyncio.sleep(KEPT_S)
        sums: dict[str, float] = {}
        for url in platform.metrics_urls.values():
            for family in await scrape(url):
                for one in family.samples:
                    key = one.name + "".join(
                        f"/{one.labels[label]}"
                        for label in ("outcome", "state", "lane", "coalescer")
                        if label in one.labels
                    )
                    sums[key] = sums.get(key, 0.0) + one.value
        return sums

    on_its_way = (
        "stampede_gateway_admitted_total/booking",
        "stampede_gateway_limits_asked_total",
        "stampede_holds_total/held",
        "stampede_coalescer_batch_items_count/booking_orders",
        "stampede_orders_total/created",
        "stampede_orders_total/paid",
        "stampede_provider_call_seconds_count/succeeded",
        "stampede_payments_total/succeeded",
        "stampede_events_relayed_total",
        "stampede_event_delay_seconds_count",
        "stampede_redis_pipeline_seconds_count",
    )
    before = await counted()
    await sell_something(api, session)
    deadline = time.monotonic() + SOON_S
    while True:
        after = await counted()
        still = [one for one in on_its_way if after.get(one, 0) <= before.get(one, 0)]
        if not still:
            return
        assert time.monotonic() < deadline, still
