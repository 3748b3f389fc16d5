"""A story as JSON: calls below their callers, times since the first, and no secrets."""

from pathlib import Path

from runtime.operations.trace_answer import VALUE_MAX, trace_of
from runtime.operations.trace_files import Sources
from runtime.operations.trace_following import Wanted, follow

LINES = """\
2026-01-14T15:30:00.100Z booking  [abc] order_created order_no=260114000042 seats=2 span=8c1f.1
2026-01-14T15:30:00.120Z gateway  [abc] POST /api/v1/orders status=201 latency=120ms span=8c1f
2026-01-14T15:30:01.000Z booking  [abc] something_odd said="write to wang@example.com" span=8c1f.2
"""


def test_spans_have_a_depth_a_start_and_no_address(tmp_path: Path) -> None:
    (tmp_path / "booking.log").write_text(LINES)
    with Sources([tmp_path]) as sources:
        trace = trace_of(follow(sources, Wanted(requests=["abc"])), "abc")
    assert (trace.request_id, trace.order_no, trace.complete) == ("abc", "260114000042", True)
    first, call, odd = trace.spans
    assert (first.name, first.service, first.status) == ("POST /api/v1/orders", "gateway", "201")
    assert (first.start_ms, first.duration_ms, first.depth) == (0.0, 120.0, 0)
    assert (call.name, call.depth, call.fields["seats"]) == ("order_created", 1, "2")
    assert call.start_ms >= 0
    assert "wang" not in str(odd)
    assert "[redacted]" in odd.fields["said"]


def test_a_secret_that_is_cut_is_masked_before(tmp_path: Path) -> None:
    said = "x" * (VALUE_MAX - 10) + " whsec_c2VjcmV0c2VjcmV0"
    text = LINES + f'2026-01-14T15:30:02.000Z booking  [abc] odd said="{said}" span=8c1f.3\n'
    (tmp_path / "booking.log").write_text(text)
    with Sources([tmp_path]) as sources:
        trace = trace_of(follow(sources, Wanted(requests=["abc"])), "abc")
    assert "whsec" not in str(trace)
