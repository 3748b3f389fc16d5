"""The dashboards' files: made by their code, and they ask for nothing that nobody exports."""

import re
import subprocess
import sys
from importlib import util
from pathlib import Path

from tests.support.dashboards import FOLDER, boards, queries
from tests.support.deployment import missing
from tests.support.metrics import page
from tests.support.promql import Vocabulary, parse

TWICE = {  # the same as another metric with fewer labels, kept for those who use them
    "stampede_gateway_requests_total",
    "stampede_gateway_latency_seconds",
}
FACTS = {  # what happened to a thing, which another metric counts by its order
    "stampede_seat_changes_total",
    "stampede_sessions_on_sale",
}


def test_the_files_are_what_their_code_makes(tmp_path: Path) -> None:
    if util.find_spec("grafana_foundation_sdk") is None:
        missing("grafana-foundation-sdk")
    subprocess.run([sys.executable, FOLDER / "dashboards.py", tmp_path], check=True, timeout=60)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = {
        path.name: path.read_text(encoding="utf-8") for path in (FOLDER / "dashboards").iterdir()
    }
    assert made == kept, "make dashboards"


def test_every_expression_asks_for_what_is_exported() -> None:
    vocabulary = Vocabulary.of_the_page()
    found = {str(one): vocabulary.complaints(one.over("1m")) for one in queries()}
    assert len(found) > 60
    assert {where: words for where, words in found.items() if words} == {}


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {selector.name for one in queries() for selector in parse(one.over("1m")).selectors}
    bare = {re.sub("_(bucket|sum|count)$", "", name) for name in shown}
    assert {row.name for row in page()} - bare - TWICE - FACTS == set()


def test_a_legend_names_only_labels_that_the_lines_have() -> None:
    for one in queries():
        named = set(re.findall(r"{{(\w+)}}", one.legend))
        assert named <= parse(one.over("1m")).labels, one


def test_panels_do_not_lie_on_each_other_and_boards_have_addresses_of_their_own() -> None:
    found = boards()
    assert len({board["uid"] for board in found.values()}) == len(found) == 5
    for name, board in found.items():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24, (name, panel["title"])
            cells = {
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            }
            assert not cells & taken, (name, panel["title"])
            taken |= cells
            assert panel["type"] == "row" or len(panel["description"]) > 5, (name, panel["title"])
