"""`stampede rehearse`: sells a shadow of a session to a crowd, before real people come."""

import shlex
import sys
from pathlib import Path
from uuid import UUID

import rich_click as click

from chassis.settings import SettingsError
from stampede.cli.base import data_dir_option, load, say, stampede

NOT_REHEARSED = 2


@stampede.command()
@click.argument("session_id", type=click.UUID, required=False)
@click.option("--people", type=int, help="People of the crowd.")
@click.option(
    "--curve", default="burst", show_default=True,
    help="When they arrive: burst, wave, steady:60s, ramp:60s or FILE.csv.",
)  # fmt: skip
@click.option("--seconds", type=float, default=120.0, show_default=True, help="It ends then.")
@click.option("--abandon", type=float, default=0.1, show_default=True,
              help="Share who order and never pay.")  # fmt: skip
@click.option("--pay-late", type=float, default=0.2, show_default=True,
              help="Share who take 5 to 20 seconds to pay.")  # fmt: skip
@click.option(
    "--fault", "faults", multiple=True,
    help="kill:NAME@2s, provider-slow@20s:10s, provider-hang@20s:10s, provider-errors@20s:5%. Repeatable.",
)  # fmt: skip
@click.option("--gateway", default="", help="URL of the gateway, if it is not on this machine.")
@click.option("--beside-a-sale", is_flag=True, help="Though real people are buying right now.")
@click.option("--seed", type=int, default=1, show_default=True, help="Other people.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the report.")
@click.option("--html", "html_path", type=click.Path(path_type=Path), help="Write it as a page.")
@click.option("--clean", is_flag=True, help="Only remove what a killed rehearsal left.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the gateway.")
@data_dir_option
def rehearse(
    session_id: UUID | None,
    people: int | None,
    curve: str,
    seconds: float,
    abandon: float,
    pay_late: float,
    faults: tuple[str, ...],
    gateway: str,
    seed: int,
    json_path: Path | None,
    html_path: Path | None,
    port: int | None,
    data_dir: Path | None,
    *,
    beside_a_sale: bool,
    clean: bool,
) -> None:
    """Sells a shadow of a session to a crowd on the platform that runs, and says go or no-go.

    Exit code 0: go; 1: no-go; 2: it could not be. Nothing of it is left, and nobody gets a mail.
    """
    from chassis.observability import logs
    from chassis.postgres.migrations import MigrationError
    from loadtest.rehearsal import command
    from loadtest.rehearsal.asking import Asked, RehearsalError
    from loadtest.rehearsal.page import as_page, write
    from loadtest.rehearsal.report import as_json, as_text
    from runtime.embedded import EmbeddedError
    from runtime.starting import StartError

    try:
        loaded = load(port=port, data_dir=data_dir)
        logs.configure(
            loaded.log_dir,
            log_format=loaded.log_format,
            console=False,
            files_max_bytes=loaded.log_files_max_mb * 1_000_000,
        )
        if clean:
            found = command.clean(loaded, say=say)
            say(f"{found} killed rehearsals removed." if found else "Nothing was left.")
            return
        if session_id is None or people is None:
            raise RehearsalError("Say SESSION_ID and --people.")
        asked = Asked(
            people=people, curve=curve, seconds=seconds, abandon=abandon, late=pay_late,
            faults=faults, gateway=gateway, beside_a_sale=beside_a_sale, seed=seed,
        )  # fmt: skip
        for path in (json_path, html_path):
            if path is not None and not path.parent.is_dir():
                raise RehearsalError(f"There is no folder {path.parent}.")
        words = shlex.join(["stampede", *sys.argv[1:]])
        report = command.rehearse(loaded, session_id, asked, say=say, command=words)
        for line in as_text(report):
            say(line)
        if json_path is not None:
            write(json_path, as_json(report))
        if html_path is not None:
            write(html_path, as_page(report))
    except (RehearsalError, MigrationError, EmbeddedError, StartError, SettingsError) as wrong:
        click.echo(f"Error: {wrong}", err=True)
        sys.exit(NOT_REHEARSED)
    sys.exit(report.exit_code)
