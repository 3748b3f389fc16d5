"""`stampede trace`: requests in the logs of all services, as trees, in the order of cause and effect.

Log lines carry a span: a path of numbers below the request's root. The gateway's calls are one level
down, their calls two. Lines of the background process follow at the end.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from chassis.masking import logged_id
from runtime.operations.trace_files import Sources
from runtime.operations.trace_following import Story, Wanted, follow
from runtime.operations.trace_lines import Line

__all__ = ["Line", "read", "render", "render_story"]

Clocks = Mapping[int, float]


def read(directory: Path, request_id: str) -> list[Line]:
    """Every line of the request in the logs of `directory`, in each file's order."""
    asked = logged_id(request_id)
    with Sources([directory]) as sources:
        found = follow(sources, Wanted(requests=[asked])).lines
    return sorted((one for one in found if one.request_id == asked), key=lambda one: one.order)


def render_story(story: Story) -> Iterator[str]:
    """Group after group, each as a tree under the id of its request; what was asked for has no title."""
    for number, group in enumerate(story.groups):
        if number:
            yield ""
        if group.about:
            yield f"request {group.request_id}, by {group.about}"
        elif len(story.groups) > 1:
            yield f"request {group.request_id}"
        yield from render(group.lines, story.clocks)
    if told := notes(story):
        yield ""
        yield from told


def notes(story: Story) -> list[str]:
    """What is not shown, in sentences."""
    told = [f"Left out: {counted(story.reads, 'request')} that only read."] if story.reads else []
    return told + (["There is more than can be shown."] if story.is_cut else [])


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def render(lines: list[Line], clocks: Clocks | None = None) -> Iterator[str]:
    """The tree, one text line each: requests by time, calls below their callers, then background work."""
    clocks = clocks or {}
    requests = [line for line in lines if line.is_request]
    roots: dict[str, list[Line]] = {}
    for line in requests:
        roots.setdefault(line.root, []).append(line)
    for root in sorted(roots, key=lambda one: min(line.time for line in roots[one])):
        yield from _render_request(roots[root], clocks)
    afterwards = sorted((x for x in lines if not x.is_request), key=lambda line: line.time)
    if afterwards and requests:
        yield "afterwards"
    if afterwards:
        for line in afterwards:
            yield f"  {line.time} {line.service:<12} {line.text}{clock_note(line, clocks)}"


def in_tree(lines: list[Line]) -> list[Line]:
    """Each call below its caller."""
    return sorted(lines, key=lambda line: (_order(line.span), line.at_s or 0.0, line.order))


def clock_note(line: Line, clocks: Clocks) -> str:
    off = clocks.get(line.order)
    if off is None:
        return ""
    return f"  (its clock is about {abs(off):.0f} s {'ahead' if off > 0 else 'behind'})"


def _order(span: str) -> list[tuple[int, str]]:
    return [(len(part), part) for part in span.split(".")]


def _render_request(lines: list[Line], clocks: Clocks) -> Iterator[str]:
    for line in in_tree(lines):
        depth = line.span.count(".")
        lead = "" if depth == 0 else "   " * (depth - 1) + "└─ "
        text = f"{line.text}{clock_note(line, clocks)}"
        yield f"{line.time} {lead}{line.service:<{max(1, 14 - len(lead))}} {text}"
