"""Commands that measure: load tests and the bench."""

import sys
from collections.abc import Callable
from pathlib import Path

import rich_click as click

from chassis.settings import Settings
from stampede.cli.base import Command, data_dir_option, load, refuse, say, stampede, with_servers


def _users(default: int, words: str) -> Callable[[Command], Command]:
    kind = click.IntRange(1, 50_000)
    return click.option("--users", type=kind, default=default, show_default=True, help=words)


_tickets = click.option(
    "--tickets",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="Seats of the session.",
)


def _instead(what: str, words: str) -> Callable[[Command], Command]:
    """An option that measures something else than the cases."""
    return click.option(f"--{what}", "what", flag_value=what, default=None, help=words)


_port = click.option("--port", type=click.IntRange(1, 65535), help="Port of the gateway.")


@stampede.group()
def loadtest() -> None:
    """Runs load tests."""


@loadtest.command("flash-sale")
@_users(10_000, "Buyers at the opening.")
@_tickets
@click.option(
    "--flush-redis", is_flag=True, help="Empty Redis (FLUSHALL) in the middle of the sale."
)
@click.option("--times", type=click.IntRange(1, 10), default=1, help="Sales, one after the other.")
@click.option(
    "--running", is_flag=True, help="Use the platform that runs on --data-dir and --port."
)
@_port
@data_dir_option
def flash_sale(
    users: int,
    tickets: int,
    flush_redis: bool,
    times: int,
    running: bool,
    port: int | None,
    data_dir: Path | None,
) -> None:
    """Runs a flash sale: far more buyers than seats, all at the opening. Exit code 1 if a promise broke."""
    from loadtest.command import run_flash_sale

    loaded = load(port=port, data_dir=data_dir) if running else None
    sales = run_flash_sale(
        loaded, users=users, tickets=tickets, flush_redis=flush_redis, times=times, say=say
    )
    sys.exit(0 if sales else 1)


@loadtest.command("prepare")
@_users(1_000, "Buyers to prepare.")
@_tickets
@click.option(
    "--opens-in", type=click.FloatRange(0, 3600), default=30.0, help="Seconds until the sale opens."
)
@click.option(
    "--plan",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write for locust.",
)
@_port
@data_dir_option
def loadtest_prepare(
    users: int, tickets: int, opens_in: float, path: Path, port: int | None, data_dir: Path | None
) -> None:
    """Prepares a session and buyers on the running platform, for locust's web page."""
    from loadtest.plan import Plan, prepare
    from runtime.starting import command

    async def run(loaded: Settings) -> Plan:
        return await prepare(
            loaded.base_url,
            loaded.direct_url,
            users=users,
            tickets=tickets,
            opens_in_s=opens_in,
        )

    with_servers(load(port=port, data_dir=data_dir), run).write(path)
    say(f"{command('locust')} -f loadtest/locustfile.py --plan {path}")


@stampede.command()
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--only", default="", help="Names of cases, separated by commas.")
@click.option(
    "--seconds",
    type=click.FloatRange(1, 600),
    default=8.0,
    show_default=True,
    help="Length of a case's window.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 1024),
    default=64,
    show_default=True,
    help="Connections of the load generator.",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=2, help="Web processes (default: 2)."
)
@click.option(
    "--redis",
    type=click.Choice(["one", "cluster"]),
    default="one",
    show_default=True,
    help="One Valkey, or a cluster of six nodes.",
)
@click.option(
    "--repeat",
    "--rounds",
    type=click.IntRange(1, 20),
    default=1,
    help="Number of runs; prints median, least and most.",
)
@_instead("growth", "Measure the cost of an order as sessions grow and fill up.")
@_instead("table", "Measure the cases that have an aim; prints Markdown with the aims.")
@_instead("budget", "Measure each stage of an order, and compare with docs/order-way.md.")
@_instead("holds", "Measure the cost of finding the best seats in Valkey.")
@click.option(
    "--against",
    metavar="COMMIT",
    help="Another commit to measure in turns with this tree; with --holds its folder booking/seats/lua.",
)
@click.option(
    "--with",
    "variants",
    multiple=True,
    metavar="SETTINGS",
    help="Settings to measure in turns with those that are: STAMPEDE_A=1,STAMPEDE_B=x.",
)
@click.option("--settings", default="", hidden=True, help="Those of a side of --with.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="SVG to write: orders/s at 1 to 512 connections.",
)
@click.option(
    "--save", is_flag=True, help="Save the costs in the data directory, for stampede plan."
)
@data_dir_option
def bench(
    as_json: bool,
    only: str,
    seconds: float,
    connections: int,
    workers: int,
    redis: str,
    repeat: int,
    what: str | None,
    against: str | None,
    variants: tuple[str, ...],
    settings: str,
    plot: Path | None,
    data_dir: Path | None,
    *,
    save: bool,
) -> None:
    """Measures throughput, latency and CPU beside an empty server.

    Exit code 1 if a response was wrong, the audit found something, or a stage exceeded its budget.
    """
    from loadtest.bench.cases.holds import bench_holds
    from loadtest.bench.command import Wanted
    from loadtest.bench.command import bench as run
    from loadtest.bench.turns import bench_in_turns, settings_of
    from planning.costs import NAME, CostsError

    if (what or plot) and (save or only):
        raise refuse(f"--{what or 'plot'} measures by itself: leave out --save and --only.")
    if variants and what == "holds":
        raise refuse("--holds measures scripts, which have no settings: leave out --with.")
    if what == "holds":
        if against is not None and not Path(against).is_dir():
            raise refuse(f"{against} is not a folder: --holds compares scripts of a folder.")
        bench_holds(None if against is None else Path(against), as_json=as_json)
        return
    if against is not None or variants:
        if save or what or plot:
            raise refuse(
                f"--against and --with are for the cases: leave out --{what or 'save, --plot'}."
            )
        options = {
            "only": only,
            "seconds": seconds,
            "connections": connections,
            "workers": workers,
            "redis": redis,
        }
        bench_in_turns(against, variants, rounds=repeat, options=options, as_json=as_json)
        return

    names = tuple(name.strip() for name in only.split(",") if name.strip())
    path = load(data_dir=data_dir).data_dir / NAME if save else None
    wanted = Wanted(
        names,
        seconds,
        connections,
        workers,
        repeat,
        path,
        redis == "cluster",
        settings_of(settings),
    )
    try:
        passed = run(wanted, as_json=as_json, what=what or "cases", plot_path=plot)
    except CostsError as wrong:
        raise refuse(str(wrong)) from None
    sys.exit(0 if passed else 1)
