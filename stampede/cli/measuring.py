"""Commands that measure: load tests and the bench."""

import sys
from pathlib import Path

import rich_click as click

from chassis.settings import Settings
from stampede.cli.base import data_dir_option, load, say, stampede, with_servers


@stampede.group()
def loadtest() -> None:
    """Runs load tests."""


@loadtest.command("flash-sale")
@click.option(
    "--users",
    type=click.IntRange(1, 50_000),
    default=10_000,
    show_default=True,
    help="Buyers at the opening.",
)
@click.option(
    "--tickets",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="Seats of the session.",
)
@click.option(
    "--flush-redis", is_flag=True, help="Empty Redis (FLUSHALL) in the middle of the sale."
)
@click.option("--times", type=click.IntRange(1, 10), default=1, help="Sales, one after the other.")
@click.option(
    "--running", is_flag=True, help="Use the platform that runs on --data-dir and --port."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the gateway.")
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
@click.option(
    "--users",
    type=click.IntRange(1, 50_000),
    default=1_000,
    show_default=True,
    help="Buyers to prepare.",
)
@click.option(
    "--tickets",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="Seats of the session.",
)
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
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the gateway.")
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
    "--repeat",
    type=click.IntRange(1, 20),
    default=1,
    help="Number of runs; prints median, least and most.",
)
@click.option(
    "--growth", is_flag=True, help="Measure the cost of an order as sessions grow and fill up."
)
@click.option("--holds", is_flag=True, help="Measure the cost of finding the best seats in Valkey.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="With --holds: folder booking/seats/lua of another version, measured in turns.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="SVG to write: orders/s at 1 to 512 connections.",
)
def bench(
    as_json: bool,
    only: str,
    seconds: float,
    connections: int,
    workers: int,
    repeat: int,
    growth: bool,
    holds: bool,
    against: Path | None,
    plot: Path | None,
) -> None:
    """Measures throughput, latency and CPU beside an empty server. Exit code 1 if a response was wrong."""
    from loadtest.bench.cases.holds import bench_holds
    from loadtest.bench.command import Wanted
    from loadtest.bench.command import bench as run

    if holds:
        bench_holds(against, as_json=as_json)
        return

    names = tuple(name.strip() for name in only.split(",") if name.strip())
    wanted = Wanted(names, seconds, connections, workers, repeat)
    sys.exit(0 if run(wanted, as_json=as_json, growth=growth, plot_path=plot) else 1)
