"""Slow requests are logged with where their time went; fast ones, and most of an overload, are not."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.context import CURRENT, RequestContext
from chassis.observability import logs
from chassis.observability.slow import LINES_PER_S, SlowRequests


@pytest.fixture
def context(tmp_path: Path) -> Iterator[RequestContext]:
    logs.configure(tmp_path, log_format="text", console=False)
    context = RequestContext("abc-123", "8c1f.1")
    token = CURRENT.set(context)
    yield context
    CURRENT.reset(token)
    logs.configure(None, log_format="text", console=False)


def lines(tmp_path: Path) -> list[str]:
    logs.flush()
    path = tmp_path / "booking.log"
    return path.read_text().splitlines() if path.exists() else []


def test_a_slow_request_says_where_its_time_went(tmp_path: Path, context: RequestContext) -> None:
    context.spent = {"postgres": 0.9, "queue": 0.31, "redis": 0.002}
    SlowRequests("booking", 1_000).look(context, 1.24, path="/api/v1/orders")
    (line,) = lines(tmp_path)
    assert line.endswith(
        "[abc-123] slow_request path=/api/v1/orders duration=1240ms queue=310ms redis=2ms"
        " postgres=900ms other=28ms level=warning span=8c1f.1"
    )


@pytest.mark.parametrize(("threshold_ms", "seconds"), [(1_000, 0.999), (0, 1e6)])
def test_a_request_below_the_threshold_is_not_logged(
    tmp_path: Path, context: RequestContext, threshold_ms: int, seconds: float
) -> None:
    SlowRequests("booking", threshold_ms).look(context, seconds)
    assert lines(tmp_path) == []


def test_an_overload_is_a_few_lines_a_second_and_a_count(
    tmp_path: Path, context: RequestContext
) -> None:
    now = [100.0]
    requests = SlowRequests("booking", 1_000, clock=lambda: now[0])
    for _ in range(LINES_PER_S + 40):
        requests.look(context, 2.0)
    assert len(lines(tmp_path)) == LINES_PER_S
    now[0] += 1
    requests.look(context, 2.0)
    assert "unlogged=40" in lines(tmp_path)[-1]


def test_stages_are_counted_together(context: RequestContext) -> None:
    context.spend("redis", time.perf_counter() - 1)
    context.spend("redis", time.perf_counter() - 2)
    context.spend("auth", time.perf_counter())
    assert context.spent is not None
    assert context.spent.keys() == {"redis"}
    assert 3.0 <= context.spent["redis"] < 3.5
