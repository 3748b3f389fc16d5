"""The files of deploy/prometheus as data, and what promtool says of them."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.support.prometheus import program
from tests.support.promql import Vocabulary
from tests.support.servers import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
TIMEOUT_S = 60


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a file; `alert` or `record` is empty."""

    file: str
    group: str
    expr: str
    alert: str = ""
    record: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


@cache
def rules(directory: Path = PROMETHEUS) -> list[Rule]:
    return [
        msgspec.convert(
            {"file": file.name, "group": group["name"], "expr": str(rule["expr"])}
            | {
                key: rule[key]
                for key in ("alert", "record", "labels", "annotations")
                if key in rule
            },
            Rule,
        )
        for file in sorted((directory / "rules").glob("*.yml"))
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


@cache
def alerts() -> list[Rule]:
    return [rule for rule in rules() if rule.alert]


@cache
def recorded() -> Vocabulary:
    """What the platform exports and our rules record."""
    found = Vocabulary.of_the_page()
    for rule in rules():
        if rule.record:
            found.add_recorded(rule.record, rule.expr, rule.labels)
    return found


def unit_tests() -> Iterator[dict[str, Any]]:
    for file in sorted((PROMETHEUS / "tests").glob("*.yml")):
        yield from yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
