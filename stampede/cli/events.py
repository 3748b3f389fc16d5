"""Commands about events: `stampede replay` and `stampede events`."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import rich_click as click

from stampede.cli.base import data_dir_option, load, refuse, say, stampede, with_servers


class Moment(click.ParamType[datetime]):
    """A time with its zone, such as 2026-08-15T11:30:00Z."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            moment = datetime.fromisoformat(str(value))
            if moment.tzinfo is None:
                raise ValueError
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value} is not a time with a zone, such as 2026-08-15T11:30:00Z.", param, ctx
            )


@stampede.command()
@click.option(
    "--from",
    "since",
    type=Moment(),
    required=True,
    help="First time, such as 2026-08-15T11:30:00Z.",
)
@click.option("--to", "until", type=Moment(), help="Events before this time only (default: now).")
@click.option("--consumer", help="Only this consumer: catalog or notification.")
@data_dir_option
def replay(
    since: datetime, until: datetime | None, consumer: str | None, data_dir: Path | None
) -> None:
    """Sends past events to consumers again. Events that they have processed have no second effect."""
    from runtime.operations.replaying import ReplayError
    from runtime.operations.replaying import replay as run

    try:
        done = with_servers(
            load(data_dir=data_dir), lambda loaded: run(loaded, since, until, consumer)
        )
    except ReplayError as wrong:
        raise refuse(str(wrong)) from None
    for one in done:
        say(f"{one.consumer:<13} {one.events} events")


@stampede.group()
def events() -> None:
    """Checks the schemas of event types."""


@events.command("schemas")
@click.option("--write", is_flag=True, help="Store the schemas of the code if they are compatible.")
def events_schemas(write: bool) -> None:
    """Compares the stored schemas with the code. Exit code 1 if they differ."""
    from booking.events.schemas import check_schemas, write_schemas

    if write:
        for name in write_schemas():
            say(f"written {name}")
    troubles = check_schemas()
    for trouble in troubles:
        say(trouble)
    sys.exit(1 if troubles else 0)
