"""`make alerts`: the rules it uses are the same, and its table tells what fired and what did not."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtest.alerts.causes import OF_ORDERS, Causes
from loadtest.alerts.command import DIVISOR, RULES
from loadtest.alerts.prometheus import Firing, Watch
from loadtest.alerts.rules import shortened, write_shortened
from loadtest.alerts.table import Injected, as_markdown, lines, without_cause
from tests.support.alerts import alerts, rules

DURATION = re.compile(r"\d+(?:ms|[smhd])\b")


def test_every_duration_is_divided_and_nothing_else_is_changed() -> None:
    text = """
      - alert: Late
        expr: sum(rate(stampede_x_total[5m])) > 300 and stampede:slo_bad:increase1h > 1
        for: 1m
        labels: {severity: page}
    """
    assert shortened(text, 20) == text.replace("[5m]", "[15000ms]").replace(
        "for: 1m", "for: 3000ms"
    )


@pytest.mark.parametrize("text", ["x[5m:1m]", "x[5m] offset 1h", "        for: 1h30m\n"])
def test_a_duration_that_it_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not divided"):
        shortened(text, 20)


def test_the_rules_of_the_run_are_those_of_the_files(tmp_path: Path) -> None:
    write_shortened(sorted(RULES.glob("*.yml")), tmp_path / "rules", DIVISOR)
    mine, theirs = rules(tmp_path), rules()
    assert [(one.alert, one.record, one.labels) for one in mine] == [
        (one.alert, one.record, one.labels) for one in theirs
    ]
    for short, long in zip(mine, theirs, strict=True):
        blank = re.compile(r"\[\w+\]")
        assert blank.sub("[]", short.expr) == blank.sub("[]", long.expr)
    (lags,) = [
        rule
        for group in yaml.safe_load((tmp_path / "rules" / "events.rules.yml").read_text())["groups"]
        for rule in group["rules"]
        if rule["alert"] == "ConsumerLags"
    ]
    assert lags["for"] == "3000ms"


def test_every_alert_that_a_cause_names_is_there(tmp_path: Path) -> None:
    nothing: Any = None
    named = {
        name
        for cause in Causes(nothing, "", tmp_path, tmp_path).all()
        for name in cause.fires | cause.may
    }
    assert named | OF_ORDERS <= {one.alert for one in alerts()}


def told(*firing: str, state: str = "firing") -> list[dict[str, Any]]:
    return [{"state": state, "labels": {"alertname": one, "severity": "page"}} for one in firing]


def test_several_series_of_one_alert_are_one_and_pending_is_not_firing() -> None:
    watch = Watch("http://127.0.0.1:1")
    watch.take([*told("A", "A", "B"), *told("C", state="pending")])
    watch.take(told("B"))
    assert [
        (one.name, one.ended is None) for one in sorted(watch.history, key=lambda o: o.name)
    ] == [
        ("A", False),
        ("B", True),
    ]
    assert watch.names() == {"B"}


QUIET = Injected("nothing", 0.0, undone=100.0, over=100.0)
FIRST = Injected("first", 100.0, frozenset({"A"}), frozenset({"B", "OrdersFail"}), 130.0, 160.0)
SECOND = Injected("second", 160.0, frozenset({"C"}), frozenset(), 190.0, 200.0)


def test_a_cause_has_what_it_made_fire_and_how_long_it_took_to_clear() -> None:
    history = [Firing("A", "page", 107.0, 142.0), Firing("B", "page", 109.0, 131.0)]
    table = as_markdown(lines([QUIET, FIRST, SECOND], history))
    assert table[2:] == [
        "| nothing | (none) |  |  |  |",
        "| first | A | 7 s | 12 s | B |",
        "| second | C | not |  |  |",
    ]
    assert without_cause([QUIET, FIRST, SECOND], history) == []


@pytest.mark.parametrize(
    ("name", "at", "found"),
    [
        ("A", 50.0, True),  # nothing was done yet
        ("B", 170.0, True),  # the first cause explained it; the second does not
        ("OrdersFail", 170.0, False),  # a burn rate looks back at the first
        ("HoldsFail", 170.0, True),  # no cause so far has touched holds
    ],
)
def test_what_no_cause_explains_fired_without_one(name: str, at: float, found: bool) -> None:
    history = [Firing(name, "page", at, at + 1)]
    assert bool(without_cause([QUIET, FIRST, SECOND], history)) is found
