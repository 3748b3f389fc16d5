"""`stampede trace`: one request, or one order, in the logs of all services."""

import sys
from pathlib import Path

import msgspec
import rich_click as click

from stampede.cli.base import data_dir_option, load, refuse, say, stampede

NOTHING_FOUND = 3  # exit code of --json


@stampede.command()
@click.argument("request_id", required=False)
@click.argument("files", nargs=-1)
@click.option("--order", "order_no", help="Every request that touched the order with this number.")
@click.option(
    "--recent", is_flag=True, help="List the requests that failed or were slow lately instead."
)
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the waterfall as one page to this file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the spans as one JSON document.")
@data_dir_option
def trace(
    request_id: str | None,
    files: tuple[str, ...],
    order_no: str | None,
    page: Path | None,
    data_dir: Path | None,
    *,
    recent: bool,
    as_json: bool,
) -> None:
    """Follows a request through the logs of all services, to the end of the order that it touched.

    FILES: log files, which are read with their rotated predecessors, folders, or - for standard input,
    such as a log store's export. By default the logs in the data directory.
    """
    from runtime.operations import tracing
    from runtime.operations.trace import render_story
    from runtime.operations.trace_answer import trace_of
    from runtime.operations.trace_files import NothingFound, TraceError
    from runtime.operations.trace_page import write_page

    _check(request_id, order_no, page, recent=recent)
    loaded = load(data_dir=data_dir)
    if (order_no is not None or recent) and request_id is not None:
        files = (request_id, *files)  # then every argument is a file
    names: list[str | Path] = [*files] or [loaded.data_dir / "logs"]
    try:
        if recent:
            _list_recent(names, slow_ms=loaded.slow_request_ms, as_json=as_json)
            return
        if order_no is not None:
            wanted = tracing.wanted_order(loaded, order_no, lambda line: click.echo(line, err=True))
            what = f"the order {order_no}"
        else:
            wanted = tracing.wanted_request(request_id or "")
            what = f"the request id {request_id}"
        story = tracing.find_story(wanted, names, sys.stdin.buffer, what=what)
        if as_json:
            say(msgspec.json.encode(trace_of(story, request_id or "")).decode())
        elif page is None:
            for line in render_story(story):
                say(line)
        else:
            write_page(page, story, what)
            say(f"{page}")
    except NothingFound as wrong:
        if not as_json:
            raise refuse(str(wrong)) from None
        sys.exit(NOTHING_FOUND)  # told apart from a reader that broke
    except TraceError as wrong:
        raise refuse(str(wrong)) from None


def _check(
    request_id: str | None, order_no: str | None, page: Path | None, *, recent: bool
) -> None:
    if order_no is None and request_id is None and not recent:
        raise click.UsageError("Name a request id, or an order with --order.")
    if recent and (order_no is not None or page is not None):
        raise click.UsageError("--recent is a list: leave out --order and --html.")


def _list_recent(names: list[str | Path], *, slow_ms: int, as_json: bool) -> None:
    from runtime.operations.trace_recent import recent_of

    found = recent_of(names, slow_ms=slow_ms)
    if as_json:
        say(msgspec.json.encode(found).decode())
        return
    for one in found:
        took = f"{one.duration_ms:,.0f} ms"
        say(f"{one.at}  {one.status}  {took:>10}  {one.request_id}  {one.name}")
