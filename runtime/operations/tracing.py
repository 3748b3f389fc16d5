"""What `stampede trace` searches for: a request, or an order by its number."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from booking.orders.tracing import find_traced_order
from chassis.masking import logged_id
from chassis.postgres.pool import UNAVAILABLE
from chassis.problems import Problem
from chassis.settings import Settings
from runtime.embedded import running_urls
from runtime.operations.trace_files import NothingFound, Sources, TraceError
from runtime.operations.trace_following import Story, Wanted, distinct, follow

Warn = Callable[[str], None]


def wanted_request(request_id: str) -> Wanted:
    """Logs show an id that looks like a secret in another form."""
    if not request_id.isascii():
        raise TraceError(
            "A request id has ASCII letters, digits, dots, dashes and underscores only."
        )
    return Wanted(requests=[logged_id(request_id)])


def wanted_order(loaded: Settings, order_no: str, warn: Warn) -> Wanted:
    """By PostgreSQL's history where it is reachable. No server is started for this."""
    alone = Wanted(order_no=order_no, whole=False)
    url = loaded.direct_url
    if not url:
        running = running_urls(loaded.data_dir)
        url = running.database_url if running is not None else ""
    if not url:
        warn("No PostgreSQL is running here: the order is followed by the logs alone.")
        return alone
    try:
        order = asyncio.run(find_traced_order(url, order_no))
    except (Problem, *UNAVAILABLE):
        warn("PostgreSQL does not answer: the order is followed by the logs alone.")
        return alone
    if order is None:
        warn(f"PostgreSQL knows no order {order_no}.")
        return alone
    things = [order.order_id, *order.payment_ids, *order.refund_ids]
    return Wanted(
        requests=distinct(map(logged_id, order.request_ids)),
        things=[str(one) for one in things],
        order_no=order_no,
        whole=False,
    )


def find_story(wanted: Wanted, names: Sequence[str | Path], stdin: BinaryIO, *, what: str) -> Story:
    """Raises TraceError: `what` occurs nowhere, or the logs cannot be read."""
    with Sources(names, stdin) as sources:
        if not len(sources):
            raise TraceError(f"There is no log file in {', '.join(map(str, names))}.")
        story = follow(sources, wanted)
    if not story.groups:
        where = ", ".join("standard input" if str(one) == "-" else str(one) for one in names)
        raise NothingFound(f"No log line in {where} has {what}.")
    return story
