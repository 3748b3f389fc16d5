"""`stampede migrate`."""

from pathlib import Path

import rich_click as click

from chassis.settings import Settings
from stampede.cli.base import data_dir_option, load, say, stampede, with_servers

SCHEMAS = ("identity", "catalog", "booking", "notification", "sandbox")


@stampede.command()
@click.argument("schemas", nargs=-1, type=click.Choice(SCHEMAS))
@click.option(
    "--phase",
    type=click.Choice(["expand", "contract", "all"]),
    default="expand",
    show_default=True,
    help="expand: before new code starts. contract: after the last old process has ended.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be applied, and change nothing.")
@data_dir_option
def migrate(schemas: tuple[str, ...], phase: str, data_dir: Path | None, *, dry_run: bool) -> None:
    """Brings schemas up to date: all, or those named. May run while the platform sells."""
    from chassis.postgres.migration_files import Phase
    from chassis.postgres.pooler import check_pooler
    from runtime.services import migrate_all, pending_all, schemas_of

    only = None if phase == "all" else Phase(phase)

    async def run(loaded: Settings) -> None:
        url = loaded.direct_url
        await check_pooler(loaded.database_url or "", loaded.database_direct_url)
        names = schemas or schemas_of(loaded)
        applied: dict[str, list[str]] = {}
        if not dry_run:
            applied = await migrate_all(url, names, phase=only)
        for name, waiting in (await pending_all(url, names)).items():
            done = [f"{one} applied" for one in applied.get(name, ())]
            for one in waiting:
                due = dry_run and only in {None, one.phase}
                done.append(f"{one.name} ({one.phase}) {'would be applied' if due else 'waits'}")
            for line in done or ["up to date"]:
                say(f"{name:<13} {line}")

    with_servers(load(data_dir=data_dir), run, used=("database_url",))
