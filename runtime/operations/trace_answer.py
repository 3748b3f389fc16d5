"""A story as the JSON that operators' pages draw (`stampede trace --json`)."""

from collections.abc import Iterator

import msgspec

from chassis.masking import MASK, SECRET
from runtime.operations.trace import in_tree
from runtime.operations.trace_following import Story, began_s
from runtime.operations.trace_lines import Line

SPANS_MAX = 2_000
VALUE_MAX = 500  # characters of a field


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """`start_ms`: since the first span. `depth`: calls stand below their callers."""

    name: str
    service: str
    start_ms: float
    duration_ms: float
    depth: int
    status: str | None
    fields: dict[str, str]


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """`complete`: nothing was left out."""

    request_id: str
    order_no: str | None
    complete: bool
    spans: list[Span]


def trace_of(story: Story, request_id: str) -> Trace:
    lines = [(line, depth) for group in story.groups for line, depth in _placed(group.lines)]
    starts = [began for line, _ in lines if (began := began_s(line)) is not None]
    first_s = min(starts, default=0.0)
    order_nos = [line.fields["order_no"] for line, _ in lines if "order_no" in line.fields]
    return Trace(
        request_id=request_id,
        order_no=order_nos[0] if order_nos else None,
        complete=not story.is_cut and len(lines) <= SPANS_MAX,
        spans=[_span(line, depth, first_s) for line, depth in lines[:SPANS_MAX]],
    )


def _placed(lines: list[Line]) -> Iterator[tuple[Line, int]]:
    """Requests as trees, then what they caused in the background."""
    for line in in_tree([one for one in lines if one.is_request]):
        yield line, line.span.count(".")
    for line in sorted((one for one in lines if not one.is_request), key=lambda one: one.time):
        yield line, 0


def _span(line: Line, depth: int, first_s: float) -> Span:
    began = began_s(line)
    return Span(
        name=_masked(_name(line)),
        service=line.service,
        start_ms=0.0 if began is None else round((began - first_s) * 1000, 1),
        duration_ms=line.duration_ms or 0.0,
        depth=depth,
        status=line.fields.get("status"),
        fields={name: _masked(value) for name, value in line.fields.items() if name != "status"},
    )


def _name(line: Line) -> str:
    """The words before the first field: an event, or a method and a path."""
    words = []
    for word in line.text.split(" "):
        if "=" in word:
            break
        words.append(word)
    return " ".join(words)


def _masked(text: str) -> str:
    """Before it is cut: half of a secret is not known as one."""
    return SECRET.sub(MASK, text[: 4 * VALUE_MAX])[:VALUE_MAX]
