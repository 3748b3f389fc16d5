"""What a client may choose makes no label."""

import pytest
from prometheus_client import REGISTRY

from chassis.observability.hot import write_hot
from gateway.metrics import CALLERS, caller_kind, count_request


@pytest.mark.parametrize(
    ("roles", "kind"),
    [
        (None, "anonymous"),
        (set(), "customer"),
        ({"customer"}, "customer"),
        ({"customer", "staff"}, "staff"),
        ({"customer", "organizer"}, "organizer"),
        ({"organizer", "operator"}, "operator"),
        ({"staff", "operator", "admin"}, "admin"),
        ({"made-up"}, "customer"),
    ],
)
def test_a_caller_is_one_of_seven_kinds(roles: set[str] | None, kind: str) -> None:
    found = caller_kind(None if roles is None else frozenset(roles))
    assert found == kind
    assert found in CALLERS


@pytest.mark.parametrize(("status", "kind"), [(201, "2xx"), (499, "4xx"), (999, "other")])
def test_a_status_is_one_of_six_classes(status: int, kind: str) -> None:
    labels = {"route": "/x", "method": "POST", "status_class": kind, "caller": "customer"}
    before = REGISTRY.get_sample_value("stampede_gateway_answers_total", labels) or 0
    count_request("/x", "POST", status, 0.3, "customer")
    write_hot()
    assert REGISTRY.get_sample_value("stampede_gateway_answers_total", labels) == before + 1


def test_the_limits_of_the_slos_are_bounds_of_buckets() -> None:
    count_request("/slo", "POST", 201, 0.2, "customer")
    write_hot()
    labels = {"route": "/slo", "method": "POST"}
    for bound in ("0.2", "0.5", "5.0"):
        name = "stampede_gateway_answer_seconds_bucket"
        assert REGISTRY.get_sample_value(name, labels | {"le": bound}) == 1
    below = {**labels, "le": "0.1"}
    assert REGISTRY.get_sample_value("stampede_gateway_answer_seconds_bucket", below) == 0
