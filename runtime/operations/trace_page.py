"""The waterfall of a story as one HTML page that needs nothing else: no script, no font, no address.

Log lines are hostile input. Each text is escaped where it enters the page (`_text`), attributes hold only
numbers and words of ours, and the page forbids itself everything but its own style.
"""

import html
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from runtime.operations.trace import clock_note, counted, in_tree, notes
from runtime.operations.trace_files import TraceError
from runtime.operations.trace_following import Group, Story, began_s
from runtime.operations.trace_lines import Line, printable

SERVICES = ("gateway", "identity", "catalog", "booking", "notification", "sandbox", "worker")
BAR_LEAST = 0.6  # per cent: what took no time is still seen
STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #fff; --ink: #1d1c1a; --soft: #6b675f;
  --line: #e3dfd6; --warn: #a33b12; --gateway: #5b6b7d; --identity: #8a63b8; --catalog: #2f855a;
  --booking: #c2571a; --notification: #2b6cb0; --sandbox: #97266d; --worker: #6b675f; --other: #6b675f; }
@media (prefers-color-scheme: dark) { :root { --paper: #171614; --card: #201f1c; --ink: #ece8df;
  --soft: #a39d91; --line: #37342e; --warn: #f0986c; --gateway: #93a5b8; --identity: #b794e0;
  --catalog: #68c493; --booking: #f0955c; --notification: #76b0ea; --sandbox: #e08bc0;
  --worker: #a39d91; --other: #a39d91; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem clamp(.75rem, 3vw, 2.5rem) 3rem; background: var(--paper);
  color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
p { color: var(--soft); margin: 0 0 1.25rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: .9rem 1rem; margin: 0 0 1rem; }
h2 { font-size: .95rem; margin: 0; overflow-wrap: anywhere; }
h3 { font-size: .8rem; color: var(--soft); font-weight: 600; margin: .8rem 0 .2rem; }
.why { font-size: .85rem; margin: 0 0 .6rem; overflow-wrap: anywhere; }
ol { list-style: none; margin: 0; padding: 0; }
li { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 16rem); gap: 0 1rem;
  padding: .3rem 0; border-top: 1px solid var(--line); align-items: center; }
.what { overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, monospace; }
.name { font-weight: 700; }
.when { color: var(--soft); }
.clock, .loud { color: var(--warn); font-weight: 600; }
.track { position: relative; height: .9rem; background: var(--paper); border-radius: .25rem; }
.bar { position: absolute; top: 0; bottom: 0; border-radius: .25rem; background: var(--other); }
.took { font-size: .75rem; color: var(--soft); grid-column: 2; }
""" + "\n".join(
    f".{name} {{ color: var(--{name}); }} .bar.{name} {{ background: var(--{name}); }}"
    for name in SERVICES
)
STYLE += "\n" + "\n".join(
    f".d{depth} {{ padding-left: {depth * 1.1:.1f}rem; }}" for depth in range(1, 9)
)
STYLE += """
@media (max-width: 46rem) { li { grid-template-columns: minmax(0, 1fr); row-gap: .25rem; }
  .took { grid-column: 1; } .d1, .d2, .d3, .d4, .d5, .d6, .d7, .d8 { padding-left: .8rem; } }
@media print { section { break-inside: avoid; } }
"""


def write_page(path: Path, story: Story, what: str) -> None:
    """Written whole or not at all. Raises TraceError."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("w", encoding="utf-8") as file:
            file.writelines(page(story, what))
        new.replace(path)
    except OSError as wrong:
        raise TraceError(f"{path} cannot be written ({wrong.strerror}).") from None


def page(story: Story, what: str) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    yield "style-src 'unsafe-inline'\">\n"
    yield f"<title>{_text(what)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
    yield f"<h1>{_text(what[:1].upper() + what[1:])}</h1>\n<p>{_text(_summary(story))}</p>\n"
    first = story.groups[0].first_s if story.groups else 0.0
    for group in story.groups:
        yield from _section(group, story, first)
    yield "</main>\n</body>\n</html>\n"


def _summary(story: Story) -> str:
    lines = story.lines
    told = (
        f"{counted(len(lines), 'line')} of {counted(len(story.groups), 'request')}, all times UTC."
    )
    if any(line.is_request and not line.is_exact for line in lines):
        told += " The text format has whole seconds: within a request, bars show durations only."
    if story.clocks:
        told += f" The times of {counted(len(story.clocks), 'line')} cannot be right."
    return " ".join([told, *notes(story)])


def _section(group: Group, story: Story, first_s: float) -> Iterator[str]:
    yield f"<section>\n<h2>{_text(group.request_id)}</h2>\n"
    about = f"By {group.about}, " if group.about else ""
    since = group.first_s - first_s
    began = _clock(group.first_s)
    told = f"{about}{began}" + (f", {_span_of_time(since)} after the first" if since >= 1 else "")
    yield f'<p class="why">{_text(told)}</p>\n'
    roots: dict[str, list[Line]] = {}
    for line in group.lines:
        if line.is_request:
            roots.setdefault(line.root, []).append(line)
    for lines in sorted(roots.values(), key=lambda some: began_s(some[0]) or 0.0):
        start, end = _extent(lines)
        yield "<ol>\n"
        for line in in_tree(lines):
            yield _row(line, story, start, end, depth=line.span.count("."))
        yield "</ol>\n"
    later = sorted((x for x in group.lines if not x.is_request), key=lambda one: one.time)
    if later:
        yield f"<h3>{'Afterwards' if roots else 'In the background'}</h3>\n<ol>\n"
        for line in later:
            yield _row(line, story, 0.0, 0.0, depth=0)
        yield "</ol>\n"
    yield "</section>\n"


def _extent(lines: list[Line]) -> tuple[float, float]:
    """From when to when the request's own line says that it lasted; else over all lines."""
    own = next((one for one in lines if one.span == one.root and one.duration_ms), None)
    if own is not None and own.at_s is not None:
        return own.at_s - (own.duration_ms or 0.0) / 1000, own.at_s
    times = [at for line in lines for at in (began_s(line), line.at_s) if at is not None]
    return min(times, default=0.0), max(times, default=0.0)


def _row(line: Line, story: Story, start: float, end: float, *, depth: int) -> str:
    service = line.service if line.service in SERVICES else "other"
    event, _, rest = line.text.partition(" ")
    loud = ' class="loud"' if line.fields.get("level") else ""
    note = clock_note(line, story.clocks).strip()
    parts = [
        f'<li><div class="what d{min(depth, 8)}">',
        f'<span class="when">{_text(line.time[11:].rstrip("Z"))}</span> ',
        f'<span class="name {service}">{_text(line.service)}</span> ',
        f"<strong{loud}>{_text(event)}</strong> {_text(rest)}",
        f' <span class="clock">{_text(note)}</span>' if note else "",
        "</div>",
    ]
    bar = _bar(line, service, start, end) if end > start else ""
    return "".join([*parts, bar, "</li>\n"])


def _bar(line: Line, service: str, start: float, end: float) -> str:
    """Where in its request it was. Lines with whole seconds stand at its beginning."""
    whole = end - start
    took = (line.duration_ms or 0.0) / 1000
    begins = (began_s(line) or start) if line.is_exact else start
    left = min(max(0.0, (begins - start) / whole * 100), 100 - BAR_LEAST)
    width = min(max(BAR_LEAST, took / whole * 100), 100 - left)
    if not line.is_exact and not took:
        return "<div></div>"
    label = f'<div class="took">{took * 1000:,.0f} ms</div>' if took else ""
    style = f"left:{left:.2f}%;width:{width:.2f}%"
    return f'<div class="track"><div class="bar {service}" style="{style}"></div></div>{label}'


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S") if at_s else "no time"


def _span_of_time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _text(text: str) -> str:
    return html.escape(printable(text))
