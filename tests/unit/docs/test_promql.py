"""Expressions of alerts and dashboards are compared with what the platform exports."""

import pytest

from tests.support.metrics import page
from tests.support.promql import Vocabulary, filled, parse

KNOWN = Vocabulary.of_the_page()


@pytest.mark.parametrize(
    ("expression", "complaints"),
    [
        ('rate(stampede_holds_total{outcome="unavailable"}[5m])', []),
        ('rate(stampede_holds_total{outcome="hold"}[5m])', ['stampede_holds_total has no outcome "hold"']),
        ('stampede_gateway_requests_total{status=~"5..|4[01]."}', []),
        (
            'stampede_gateway_requests_total{status=~"5..|abc"}',
            ['stampede_gateway_requests_total has no status "abc"'],
        ),
        ("sum by (route) (stampede_outbox_depth_rows)", ["nothing in it has the label route"]),
        ("stampede_outbox_depth_rows / on (le) up", ["nothing in it has the label le"]),
        ('up{job="gatewy"}', ['up has no job "gatewy"']),
        ("max_over_time(stampede_outbox_depth[1h:1m])", ["nobody exports stampede_outbox_depth"]),
        (
            "histogram_quantile(0.9, sum by (le) (rate(stampede_gateway_answer_seconds[5m])))",
            [
                "nobody exports stampede_gateway_answer_seconds",
                "nothing in it has the label le",
            ],
        ),
        ('label_replace(up, "node", "$1", "instance", "(.*)") and on (node) up', []),
    ],
)  # fmt: skip
def test_what_nobody_exports_is_named(expression: str, complaints: list[str]) -> None:
    assert KNOWN.complaints(expression) == complaints


@pytest.mark.parametrize("expression", ["rate(up[5m]", "sum(", '{job="gateway"}'])
def test_what_is_no_promql_or_names_no_metric_is_refused(expression: str) -> None:
    with pytest.raises(ValueError):
        parse(expression)


def test_every_label_of_the_page_has_known_values_or_is_said_to_be_free() -> None:
    for row in page():
        for label in row.family.labels:
            assert KNOWN.values(row.name, label) != frozenset(), (row.name, label)


def test_a_recording_rule_has_the_labels_of_what_it_is_made_of() -> None:
    known = Vocabulary.of_the_page()
    known.add_recorded("stampede:holds:rate5m", "sum by (outcome) (rate(stampede_holds_total[5m]))")
    assert known.complaints('stampede:holds:rate5m{outcome="held"}') == []
    assert known.complaints("sum by (node) (stampede:holds:rate5m)") != []


def test_a_dashboards_variables_are_filled_in_before_it_is_read() -> None:
    asked = 'rate(stampede_session_seats{session=~"${session:regex}"}[$__rate_interval])'
    ready = filled(asked, {"session": ".+", "__rate_interval": "5m"})
    assert KNOWN.complaints(ready) == []
    with pytest.raises(KeyError):
        filled(asked, {"session": ".+"})
