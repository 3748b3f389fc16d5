"""`stampede reconcile`."""

import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

import rich_click as click

from stampede.cli.base import data_dir_option, load, refuse, say, stampede, with_servers
from stampede.cli.events import Moment

SPAN = re.compile(r"([1-9][0-9]{0,4})([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Since(click.ParamType[datetime | timedelta]):
    """A time with its zone, or a span before now: 90s, 15m, 2h, 3d."""

    name = "time or span"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | timedelta:
        span = SPAN.fullmatch(str(value))
        if span is not None:
            return timedelta(**{UNITS[span[2]]: int(span[1])})
        try:
            return Moment().convert(value, param, ctx)
        except click.UsageError:
            self.fail(
                f"{value} is neither a time with a zone, such as 2026-08-15T11:30:00Z, nor a span,"
                " such as 15m.",
                param,
                ctx,
            )


@stampede.command()
@click.option(
    "--since",
    type=Since(),
    required=True,
    help="A time before the failover, such as 2026-08-15T11:30:00Z, or a span such as 15m.",
)
@click.option(
    "--apply", "apply_", is_flag=True, help="Act on what is found. Without it nothing is changed."
)
@click.option("--json", "as_json", is_flag=True, help="Print each finding as one line of JSON.")
@data_dir_option
def reconcile(
    since: datetime | timedelta, data_dir: Path | None, *, apply_: bool, as_json: bool
) -> None:
    """Finds what a failover to an asynchronous standby has lost.

    Compares the payment provider's charges and refunds, mails and the seats in Redis with PostgreSQL. With
    --apply, money without an order buys its order again or goes back.

    Exit code 0 if nothing is left; 1 if findings are left, also without --apply.
    """
    from runtime.operations.reconciling import (
        ReconcileError,
        print_summary,
        reconcile_all,
        teller,
    )

    tell = teller(as_json=as_json, say=say)
    try:
        done = with_servers(
            load(data_dir=data_dir),
            lambda loaded: reconcile_all(loaded, since, apply=apply_, tell=tell),
        )
    except ReconcileError as wrong:
        raise refuse(str(wrong)) from None
    if not as_json:
        print_summary(done, applied=apply_, say=say)
    sys.exit(1 if done.left else 0)
