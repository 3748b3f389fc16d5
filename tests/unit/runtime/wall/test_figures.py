"""The wall looks for metrics by names that are exported."""

from contracts.wall import BOUNDS_S
from runtime.wall.figures import BUCKETS, BY_LABEL, GAUGES, ORDERS, PLAIN, SUMS, slots
from tests.support.promql import VALUES, Vocabulary

ANSWERS = "stampede_gateway_answers_total"


def test_every_metric_that_the_wall_looks_for_is_exported() -> None:
    vocabulary = Vocabulary.of_the_page()
    labelled = [f'{name}{{{label}!=""}}' for name, (_, label) in BY_LABEL.items()]
    asked = [*PLAIN, *labelled, *GAUGES, *SUMS, f'{BUCKETS}{{route="{ORDERS}",method="POST"}}']
    asked += [f'{ANSWERS}{{route="{ORDERS}",method="POST",status_class=~"2xx|5xx"}}']
    assert {one: vocabulary.complaints(one) for one in asked if vocabulary.complaints(one)} == {}


def test_an_answer_falls_into_the_bucket_of_its_bound() -> None:
    labels = {"route": ORDERS, "method": "POST"}
    places = [
        slot.place
        for le in (*(str(bound) for bound in BOUNDS_S), "+Inf")
        for slot in slots(BUCKETS, {**labels, "le": le})
        if slot.name == "orders"
    ]
    assert places == list(range(len(BOUNDS_S) + 1))
    assert ORDERS in (VALUES["route"] or ())
