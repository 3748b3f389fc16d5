"""`stampede trace`: one request, or one order, in the logs of all services."""

import sys
from pathlib import Path

import msgspec
import rich_click as click

from stampede.cli.base import data_dir_option, load, refuse, say, stampede


@stampede.command()
@click.argument("request_id", required=False)
@click.argument("files", nargs=-1)
@click.option("--order", "order_no", help="Every request that touched the order with this number.")
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
    as_json: bool,
) -> None:
    """Follows a request through the logs of all services, to the end of the order that it touched.

    FILES: log files, which are read with their rotated predecessors, folders, or - for standard input,
    such as a log store's export. By default the logs in the data directory.
    """
    from runtime.operations import tracing
    from runtime.operations.trace import render_story
    from runtime.operations.trace_answer import trace_of
    from runtime.operations.trace_files import TraceError
    from runtime.operations.trace_page import write_page

    if order_no is None and request_id is None:
        raise click.UsageError("Name a request id, or an order with --order.")
    loaded = load(data_dir=data_dir)
    if order_no is not None and request_id is not None:
        files = (request_id, *files)  # with --order every argument is a file
    names: list[str | Path] = [*files] or [loaded.data_dir / "logs"]
    try:
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
    except TraceError as wrong:
        raise refuse(str(wrong)) from None
