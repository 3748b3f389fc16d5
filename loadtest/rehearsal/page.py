"""The report as one HTML page that needs nothing else: no script, no font, no address. Titles are an
organizer's words, so every text is escaped where it enters."""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtest.rehearsal.asking import RehearsalError
from loadtest.rehearsal.report import (
    KINDS,
    Report,
    cells,
    first_limit,
    generator_line,
    mark,
    people_lines,
    sold_lines,
    verdict,
)

STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #fff; --ink: #1d1c1a; --soft: #6b675f;
  --line: #e3dfd6; --warn: #a33b12; --good: #2f6d45; --bar: #c2571a; }
@media (prefers-color-scheme: dark) { :root { --paper: #171614; --card: #201f1c; --ink: #ece8df;
  --soft: #a39d91; --line: #37342e; --warn: #f0986c; --good: #68c493; --bar: #f0955c; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem clamp(.75rem, 3vw, 2.5rem) 3rem; background: var(--paper);
  color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 70rem; margin: 0 auto; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0 0 .5rem; }
p { color: var(--soft); margin: 0 0 .75rem; overflow-wrap: anywhere; }
.go { color: var(--good); } .no { color: var(--warn); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: .9rem 1rem; margin: 0 0 1rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-top: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: .85rem; border-top: 0; }
.n td, .n th { text-align: right; white-space: nowrap; } .n td:first-child { color: var(--soft); }
ul { margin: 0; padding-left: 1.2rem; }
code { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
@media print { section { break-inside: avoid; } }
"""


def write(path: Path, content: bytes) -> None:
    """Whole or not at all. Raises RehearsalError."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_bytes(content)
        new.replace(path)
    except OSError as wrong:
        raise RehearsalError(f"{path} cannot be written ({wrong.strerror}).") from None


def as_page(report: Report) -> bytes:
    return "".join(_page(report)).encode()


def _page(report: Report) -> Iterator[str]:
    setting, found = report.setting, report.findings
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    yield "style-src 'unsafe-inline'\">\n"
    yield f"<title>Rehearsal of {_text(setting.title)}</title>\n"
    yield f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
    yield f"<h1>Rehearsal of {_text(setting.title)}, {_text(setting.venue)}</h1>\n"
    yield (
        f"<p>{_text(setting.began)}: {setting.people:,} people, {setting.seats:,} seats,"
        f" {setting.web or 'unknown'} web processes on {setting.processors} processors, load"
        f" {setting.load_before:.1f} before. <code>{_text(setting.command)}</code></p>\n"
    )
    kind = "go" if report.go else "no"
    yield f'<section>\n<h2 class="{kind}">{_text(verdict(report))}</h2>\n'
    yield from _table(
        ["", "objective", "limit", "measured"],
        [(mark(one.kept), one.name, one.limit, one.found) for one in found.objectives],
    )
    yield "</section>\n<section>\n<h2>Selling out, and the first limit</h2>\n"
    for line in (*sold_lines(report), first_limit(found), generator_line(found)):
        yield f"<p>{_text(line)}</p>\n"
    yield from _list([f"{one.name} at {one.at_s:.1f} s: {one.found}" for one in found.limits[1:]])
    yield from _list([f"{one.fault} at {one.at_s:.1f} s: {one.said}" for one in report.happened])
    yield "</section>\n<section>\n<h2>What people saw</h2>\n"
    yield from _list(people_lines(report))
    yield from _list([f"{count:,} × {code}" for code, count in found.codes.items()])
    yield "</section>\n<section>\n<h2>Second by second</h2>\n"
    yield from _table(
        ["from", "answers", "orders", "paid", "sold out", "429", "503", "p95 ms"]
        + [f"{kind} cores" for kind in KINDS],
        [cells(row) for row in found.rows],
        numbers=True,
    )  # fmt: skip
    yield "</section>\n"
    if report.left_over:
        yield '<section>\n<h2 class="no">Left over</h2>\n'
        yield from _list(report.left_over)
        yield "</section>\n"
    yield "</main>\n</body>\n</html>\n"


def _table(
    head: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: bool = False
) -> Iterator[str]:
    yield f"<table{' class=n' if numbers else ''}>\n<tr>"
    yield "".join(f"<th>{_text(cell)}</th>" for cell in head) + "</tr>\n"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>\n"
    yield "</table>\n"


def _list(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield "<ul>\n" + "".join(f"<li>{_text(line)}</li>\n" for line in lines) + "</ul>\n"


def _text(text: object) -> str:
    return html.escape(str(text))
