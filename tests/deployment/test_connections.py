"""The sums of docs/scale.md: what all pools of an installation may open, against `max_connections`."""

import json
import re
from pathlib import Path

import yaml

from booking import measures as booking_measures
from catalog import workers as catalog_workers
from chassis.settings import Settings
from identity import workers as identity_workers
from notification import workers as notification_workers
from notification.webhooks import running
from tests.support.deployment import CHART, ROOT, compose_config

WITH_A_POOL = ("identity", "catalog", "booking", "notification")
POOL = Settings().database_pool_size
# identity: one more while it prunes; NATS: one for the consumers' lock
OF_A_WORKER = (
    POOL
    + booking_measures.POOL_SIZE
    + (identity_workers.POOL_SIZE + 1)
    + catalog_workers.POOL_SIZE
    + notification_workers.POOL_SIZE
    + notification_workers.MEASURING_POOL_SIZE
    + running.POOL_SIZE
    + 1
)
TOLD = re.compile(r"^\| (compose\.yaml|the chart)[^|]*\|[^|]*\| (\d+) \| (\d+) \|$", re.MULTILINE)


def told() -> dict[str, tuple[int, int]]:
    page = (ROOT / "docs" / "scale.md").read_text()
    return {name: (int(sum_), int(most)) for name, sum_, most in TOLD.findall(page)}


def test_a_worker_opens_what_the_page_says() -> None:
    page = (ROOT / "docs" / "scale.md").read_text()
    (more,) = re.findall(r"^worker: +DATABASE_POOL_SIZE \+ (\d+)$", page, re.MULTILINE)
    assert POOL + int(more) == OF_A_WORKER


def test_compose_stays_below_its_own_limit(copied: Path) -> None:
    services = json.loads(compose_config(copied).stdout)["services"]
    processes = sum(int(services[one]["environment"]["STAMPEDE_WORKERS"]) for one in WITH_A_POOL)
    workers = services["worker"]["deploy"]["replicas"]
    (limit,) = [
        int(one.partition("=")[2])
        for one in services["postgres"]["command"]
        if one.startswith("-cmax_connections=")
    ]
    assert told()["compose.yaml"] == (processes * POOL + workers * OF_A_WORKER, limit)
    assert told()["compose.yaml"][0] <= 0.9 * limit


def test_the_chart_at_its_largest_stays_below_the_limit_of_the_page() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    surge = values["rollout"]["maxSurge"]
    opened = (values["roles"]["worker"]["replicas"] + surge) * OF_A_WORKER
    for role in WITH_A_POOL:
        its = values["roles"][role]
        scaling = its["autoscaling"]
        pods = scaling["max"] if scaling["enabled"] else its["replicas"]
        opened += (pods + surge) * its["workers"] * POOL
    sum_, limit = told()["the chart"]
    assert sum_ == opened
    assert opened <= 0.95 * limit
