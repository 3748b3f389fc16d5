"""Which requests become traces, and what of a caller's trace is believed."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import pytest

from chassis.concurrency.coalescer import Coalescer
from chassis.context import CURRENT, RequestContext, from_headers
from chassis.observability.tracer import KEPT_A_SECOND, Tracer, request_attributes
from chassis.spans import CLIENT, SPANS_MAX, Caller, Part, parse_traceparent
from tests.support.servers import ROOT
from tests.support.spans import Kept, tracing

STRANGER = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
Headers = Sequence[tuple[bytes, bytes]]


@pytest.fixture
def kept() -> Iterator[Kept]:
    with tracing() as keeper:
        yield keeper


def begun(tracer: Tracer, headers: Headers = (), request_id: str = "abc") -> RequestContext:
    context = RequestContext(request_id, "8c1f")
    tracer.begin(context, "gateway", headers)
    return context


def part_of(context: RequestContext) -> Part:
    assert context.trace is not None
    return context.trace


def ended(
    tracer: Tracer, context: RequestContext, *, error: str = "", began_s: float = 0.0
) -> None:
    tracer.finish(part_of(context), "GET /x", began_s or time.perf_counter(), {}, error=error)


def test_a_sampled_request_is_kept_with_what_it_asked(kept: Kept) -> None:
    tracer = Tracer(kept, share=1.0)
    context = begun(tracer)
    context.spend("redis", time.perf_counter(), "hold")
    assert kept.spans == []  # nothing leaves before the end
    ended(tracer, context)
    own, asked = kept.one("GET /x"), kept.one("EVALSHA hold")
    assert (asked.parent_id, asked.kind) == (own.span_id, CLIENT)
    assert own.parent_id == 0
    assert {trace.request_id for trace, _ in kept.spans} == {"abc"}


def test_a_request_that_is_not_sampled_leaves_nothing(kept: Kept) -> None:
    tracer = Tracer(kept, share=0.0, slow_s=1.0)
    context = begun(tracer)
    context.spend("redis", time.perf_counter(), "hold")
    ended(tracer, context)
    assert kept.spans == []
    assert part_of(context).trace.spans == []


@pytest.mark.parametrize(
    "how", [{"error": "503"}, {"began_s": time.perf_counter() - 2.0}], ids=["failed", "slow"]
)
def test_failed_and_slow_requests_are_kept_unsampled(
    kept: Kept, how: dict[str, str | float]
) -> None:
    tracer = Tracer(kept, share=0.0, slow_s=1.0)
    context = begun(tracer)
    context.spend("redis", time.perf_counter(), "hold")
    ended(tracer, context, **how)  # type: ignore[arg-type]
    assert sorted(kept.names) == ["EVALSHA hold", "GET /x"]


def test_an_event_stream_is_not_slow(kept: Kept) -> None:
    tracer = Tracer(kept, share=0.0, slow_s=1.0)
    context = begun(tracer)
    tracer.finish(part_of(context), "GET /stream", time.perf_counter() - 60, {}, may_be_slow=False)
    assert kept.spans == []


def test_an_overload_keeps_a_few_a_second(kept: Kept) -> None:
    now = [100.0]
    tracer = Tracer(kept, share=0.0, clock=lambda: now[0])
    for _ in range(KEPT_A_SECOND + 50):
        ended(tracer, begun(tracer), error="503")
    assert len(kept.spans) == KEPT_A_SECOND
    now[0] += 1
    ended(tracer, begun(tracer), error="503")
    assert len(kept.spans) == KEPT_A_SECOND + 1


def test_a_strangers_trace_id_is_taken_and_its_flag_is_not(kept: Kept) -> None:
    unsampled = Tracer(kept, share=0.0)
    for _ in range(50):
        ended(unsampled, begun(unsampled, [(b"traceparent", STRANGER)]))
    assert kept.spans == []
    tracer = Tracer(kept, share=1.0)
    ended(tracer, begun(tracer, [(b"traceparent", STRANGER[:-2] + b"00")]))
    ((trace, span),) = kept.spans
    assert trace.trace_id == TRACE_ID
    assert (span.parent_id, span.links) == (0, ((TRACE_ID, SPAN_ID),))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        STRANGER + b"-more",
        b"\xff" * 55,
    ],
)
def test_a_malformed_traceparent_is_no_error_and_a_new_trace(kept: Kept, value: bytes) -> None:
    assert parse_traceparent(value) is None
    context = begun(Tracer(kept, share=1.0), [(b"traceparent", value)])
    assert part_of(context).trace.trace_id not in {0, TRACE_ID}
    assert part_of(context).links == ()


def test_two_traceparents_are_none(kept: Kept) -> None:
    twice = [(b"traceparent", STRANGER), (b"traceparent", STRANGER)]
    assert part_of(begun(Tracer(kept, share=1.0), twice)).trace.trace_id != TRACE_ID


def test_a_service_in_the_same_process_shares_the_trace(kept: Kept) -> None:
    tracer = Tracer(kept, share=0.0)
    gateway = begun(tracer)
    token = CURRENT.set(gateway)
    headers = gateway.outgoing_headers()
    service = from_headers(headers)
    tracer.enter(service, "booking", headers)
    CURRENT.reset(token)
    part = part_of(service)
    tracer.finish(part, "POST /orders", time.perf_counter(), {})
    assert part.trace is part_of(gateway).trace
    assert part.parent_id == part_of(gateway).call_id
    assert kept.spans == []  # the gateway's end decides for both
    ended(tracer, gateway, error="500")
    assert sorted(kept.names) == ["GET /x", "POST /orders"]


@pytest.mark.parametrize("sampled", [True, False])
def test_a_service_elsewhere_heeds_the_flag_of_its_caller(kept: Kept, sampled: bool) -> None:
    gateway = begun(Tracer(kept, share=float(sampled)))
    headers = gateway.outgoing_headers()
    elsewhere = Tracer(kept, share=1.0 - sampled)
    service = from_headers(headers)
    elsewhere.enter(service, "booking", headers)
    part = part_of(service)
    assert part.trace.sampled is sampled
    assert part.trace.trace_id == part_of(gateway).trace.trace_id
    assert part.parent_id == part_of(gateway).call_id
    elsewhere.finish(part, "POST /orders", time.perf_counter(), {})
    assert kept.names == (["POST /orders"] if sampled else [])


def test_a_service_elsewhere_keeps_its_own_failure(kept: Kept) -> None:
    headers = begun(Tracer(kept, share=0.0)).outgoing_headers()
    elsewhere = Tracer(kept, share=0.0)
    service = from_headers(headers)
    elsewhere.enter(service, "booking", headers)
    elsewhere.finish(part_of(service), "POST /orders", time.perf_counter(), {}, error="500")
    assert kept.names == ["POST /orders"]


def test_calls_for_no_request_are_not_sampled(kept: Kept) -> None:
    tracer = Tracer(kept, share=1.0)
    headers = RequestContext("heal-1").outgoing_headers()
    service = from_headers(headers)
    tracer.enter(service, "catalog", headers)
    assert part_of(service).trace.sampled is False


def test_what_ends_after_its_trace_was_kept_is_kept_too(kept: Kept) -> None:
    tracer = Tracer(kept, share=1.0)
    context = begun(tracer)
    ended(tracer, context)
    context.spend("redis", time.perf_counter(), "late")
    assert kept.names == ["GET /x", "EVALSHA late"]
    other = begun(Tracer(kept, share=0.0))
    ended(tracer, other)
    other.spend("redis", time.perf_counter(), "later")
    assert part_of(other).trace.spans == []


def test_a_trace_has_a_bounded_number_of_spans(kept: Kept) -> None:
    tracer = Tracer(kept, share=1.0)
    context = begun(tracer)
    for _ in range(SPANS_MAX + 7):
        context.spend("redis", time.perf_counter(), "hold")
    assert len(part_of(context).trace.spans) == SPANS_MAX
    assert part_of(context).trace.lost == 7


def test_only_events_of_sampled_requests_carry_a_trace(kept: Kept) -> None:
    sampled, other = begun(Tracer(kept, share=1.0)), begun(Tracer(kept, share=0.0))
    caller = parse_traceparent(sampled.event_traceparent)
    assert caller == Caller(*part_of(sampled).link, sampled=True)
    assert other.event_traceparent is None
    assert RequestContext("abc").event_traceparent is None


async def test_a_batch_is_in_one_of_its_requests_and_linked_with_the_others(kept: Kept) -> None:
    tracer = Tracer(kept, share=1.0)
    inside: list[Part | None] = []

    async def run(items: Sequence[int]) -> Sequence[int]:
        context = CURRENT.get()
        inside.append(context.trace)
        context.spend("redis", time.perf_counter(), "hold")
        return items

    calls: Coalescer[int, int] = Coalescer(run, batch_max=10, queue_max=10, name="orders")
    requests = [begun(tracer, request_id=f"r{number}") for number in range(3)]

    async def call(context: RequestContext, item: int) -> int:
        CURRENT.set(context)
        return await calls.call(item)

    await asyncio.gather(*(call(one, number) for number, one in enumerate(requests)))
    for context in requests:
        ended(tracer, context)
    first, *others = [span for _, span in kept.spans if span.name == "batch orders"]
    (batch,) = inside
    assert batch is not None
    assert batch.link == (part_of(requests[0]).trace.trace_id, first.span_id)
    assert set(first.links) == {part_of(one).link for one in requests[1:]}
    assert [one.links for one in others] == [(batch.link,)] * 2
    assert {one.attributes["stampede.batch.items"] for one in (first, *others)} == {3}
    asked = kept.one("EVALSHA hold")
    assert asked.parent_id == first.span_id


async def test_a_batch_goes_with_a_sampled_request_where_there_is_one(kept: Kept) -> None:
    traced, untraced = Tracer(kept, share=1.0), Tracer(kept, share=0.0)

    async def run(items: Sequence[int]) -> Sequence[int]:
        CURRENT.get().spend("redis", time.perf_counter(), "hold")
        return items

    calls: Coalescer[int, int] = Coalescer(run, batch_max=10, queue_max=10, name="orders")
    requests = [begun(untraced), begun(traced), RequestContext("none")]

    async def call(context: RequestContext) -> int:
        CURRENT.set(context)
        return await calls.call(1)

    await asyncio.gather(*map(call, requests))
    for context in requests[:2]:
        ended(untraced, context)
    assert sorted(kept.names) == ["EVALSHA hold", "GET /x", "batch orders"]
    assert list(kept.one("batch orders").links) == []  # nobody will see the other one


def test_names_and_attributes_are_those_of_http_servers() -> None:
    name, attributes, error = request_attributes("POST", "/api/v1/orders", 503)
    assert (name, error) == ("POST /api/v1/orders", "503")
    assert attributes == {
        "http.request.method": "POST",
        "http.route": "/api/v1/orders",
        "http.response.status_code": 503,
    }
    assert request_attributes("GET", "", 0) == ("GET", {"http.request.method": "GET"}, "")


def test_without_an_endpoint_no_exporter_is_loaded() -> None:
    """redis-py loads what it finds of OpenTelemetry by itself."""
    code = (
        "import sys, runtime.web, runtime.worker, gateway.asgi, booking.asgi, notification.workers\n"
        "from chassis.observability.telemetry import tracer_of\n"
        "from chassis.settings import load\n"
        "from chassis.spans import SWITCH\n"
        "assert tracer_of(load({})) is None and not SWITCH.on\n"
        "print([one for one in sys.modules if 'otlp' in one or 'protobuf' in one])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
