"""Reads the dashboards' files as Grafana would."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support.promql import filled
from tests.support.servers import ROOT

FOLDER = ROOT / "deploy" / "grafana"


class Query(NamedTuple):
    """An expression and where it stands. `legend`: how its lines are called."""

    board: str
    panel: str
    expression: str
    legend: str

    def over(self, window: str) -> str:
        """The expression with Grafana's variables filled in. `window`: such as 15s."""
        variables = {"__rate_interval": window, "__range": window, "session": ".*"}
        return filled(self.expression, variables)

    def __str__(self) -> str:
        return f"{self.board}: {self.panel}"


def boards() -> dict[str, dict[str, Any]]:
    """The dashboards by the name of their file."""
    return {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((FOLDER / "dashboards").glob("*.json"))
    }


def queries() -> Iterator[Query]:
    for name, board in boards().items():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield Query(name, panel["title"], target["expr"], target.get("legendFormat", ""))
