"""The alerts by Prometheus' own programs, against what the platform exports, and each with its unit test."""

import re
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from gateway.metrics import PROMISED
from runtime.services import PORTS
from tests.support.alerts import PROMETHEUS, Rule, alerts, promtool, recorded, rules, unit_tests

WINDOW = re.compile(r"(?<=\[)\w+(?=\])|(?<=increase)\d+[mhd]|(?<=rate)\d+[mhd]")


def test_every_expression_asks_for_what_is_exported() -> None:
    known = recorded()
    wrong = {
        rule.alert or rule.record: complaints
        for rule in rules()
        if (complaints := known.complaints(rule.expr))
    }
    assert wrong == {}
    assert len(rules()) > 150


def test_the_configuration_and_its_rules_are_what_prometheus_takes() -> None:
    answer = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("rules found") == len({rule.file for rule in rules()})


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    answer = promtool("test", "rules", *sorted((PROMETHEUS / "tests").glob("*.yml")))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_threshold_that_is_changed_fails_a_unit_test(tmp_path: Path) -> None:
    """The control of the check itself."""
    copy = Path(shutil.copytree(PROMETHEUS, tmp_path / "prometheus"))
    file = copy / "rules" / "events.rules.yml"
    file.write_text(file.read_text().replace("_lag_events) > 1000", "_lag_events) > 100"))
    answer = promtool("test", "rules", copy / "tests" / "events.test.yml")
    assert answer.returncode != 0
    assert "ConsumerLags" in answer.stdout + answer.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires: set[tuple[str, str, str]] = set()
    quiet: set[str] = set()
    for case in unit_tests():
        for check in case.get("alert_rule_test", ()):
            name = check["alertname"]
            if not check["exp_alerts"]:
                quiet.add(name)
            for expected in check["exp_alerts"]:
                labels = expected["exp_labels"]
                fires.add((name, labels["severity"], labels.get("burn", "")))
    there = {(one.alert, one.labels["severity"], one.labels.get("burn", "")) for one in alerts()}
    assert fires == there
    assert quiet == {one.alert for one in alerts()}


def test_every_alert_says_how_urgent_it_is_what_is_wrong_and_where_to_read_on() -> None:
    for one in alerts():
        assert one.labels["severity"] in {"page", "ticket"}, one.alert
        assert set(one.annotations) == {"summary", "description", "runbook"}, one.alert
        assert not one.annotations["summary"].endswith("."), one.alert
        assert one.annotations["description"].endswith("."), one.alert


def test_the_windows_of_an_slo_differ_in_nothing_but_the_window() -> None:
    forms: dict[tuple[str, str], set[str]] = defaultdict(set)
    windows: dict[tuple[str, str], set[str]] = defaultdict(set)
    for rule in rules():
        if rule.group.startswith("slo-"):
            of = rule.group.removeprefix("slo-")
            assert set(WINDOW.findall(rule.record + rule.expr)) == {of}, rule
            name = (WINDOW.sub("W", rule.record), rule.labels.get("slo", ""))
            forms[name].add(WINDOW.sub("W", rule.expr))
            windows[name].add(of)
    assert len(forms) == 15  # bad and all of seven SLOs, and the burn rate
    assert {len(found) for found in forms.values()} == {1}
    assert {frozenset(found) for found in windows.values()} == {
        frozenset({"5m", "30m", "1h", "2h", "6h", "1d", "3d"})
    }


def burn_rates(rule: Rule) -> tuple[str, list[str], list[str]]:
    return (
        rule.labels["burn"],
        re.findall(r"slo_burn:rate(\w+)\{", rule.expr),
        re.findall(r"slo_bad:increase(\w+)\{", rule.expr),
    )


def test_each_promise_burns_at_four_rates_over_two_windows_each() -> None:
    found = defaultdict(list)
    for rule in alerts():
        if "burn" in rule.labels:
            assert rule.expr.count(f"> {rule.labels['burn']}\n") == 2
            found[rule.alert].append((rule.labels["severity"], *burn_rates(rule)))
    assert len(found) == 7
    for rates in found.values():
        assert rates == [
            ("page", "14.4", ["1h", "5m"], ["1h"]),
            ("page", "6", ["6h", "30m"], ["6h"]),
            ("ticket", "3", ["1d", "2h"], ["1d"]),
            ("ticket", "1", ["3d", "6h"], ["3d"]),
        ]


def test_the_routes_of_the_slos_are_counted_from_zero_on() -> None:
    """Or a rate would not see the first failure."""
    told = {
        found
        for rule in rules()
        for found in re.findall(r'failures_total\{route="([^"]+)",method="(\w+)"', rule.expr)
    }
    assert told == set(PROMISED)


def test_prometheus_scrapes_every_part_where_it_serves() -> None:
    loaded = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    jobs = {
        job["job_name"]: int(job["static_configs"][0]["targets"][0].partition(":")[2])
        for job in loaded["scrape_configs"]
    }
    compose = yaml.safe_load((PROMETHEUS.parent / "compose.yaml").read_text())
    worker = compose["services"]["worker"]["environment"]["STAMPEDE_WORKER_PORT"]
    here = {name: port for name, port in PORTS.items() if name != "sandbox"}
    assert jobs == here | {"worker": int(worker)}


def test_alertmanager_sends_each_severity_somewhere() -> None:
    loaded = yaml.safe_load((PROMETHEUS / "alertmanager.example.yml").read_text())
    routes = {one["matchers"][0]: one["receiver"] for one in loaded["route"]["routes"]}
    assert set(routes) == {'severity="page"', 'severity="ticket"'}
    receivers = {one["name"] for one in loaded["receivers"]}
    assert set(routes.values()) == receivers
    named = {
        name
        for one in loaded["inhibit_rules"]
        for matcher in (*one["source_matchers"], *one["target_matchers"])
        if matcher.startswith("alertname")
        for name in matcher.partition('"')[2].rstrip('"').split("|")
    }
    assert named <= {one.alert for one in alerts()}


@pytest.mark.parametrize("mistake", ["sum(", "stampede_orders_total{"])
def test_a_rule_that_is_no_promql_is_found(tmp_path: Path, mistake: str) -> None:
    """The control of the check itself."""
    copy = Path(shutil.copytree(PROMETHEUS, tmp_path / "prometheus"))
    file = copy / "rules" / "audit.rules.yml"
    right = file.read_text()
    wrong = re.sub(r"max by \(invariant\) \(stampede_audit_violations.*\)", mistake, right)
    assert wrong != right
    file.write_text(wrong)
    assert promtool("check", "config", copy / "prometheus.yml").returncode != 0
