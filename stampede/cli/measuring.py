"""Commands that measure: load tests and the bench."""

import sys
from pathlib import Path

import rich_click as click

from chassis.settings import Settings
from stampede.cli.base import data_dir_option, load, say, stampede, with_servers


@stampede.group()
def loadtest() -> None:
    """Crowds."""


@loadtest.command("flash-sale")
@click.option("--users", type=click.IntRange(1, 50_000), default=10_000, show_default=True)
@click.option("--tickets", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--flush-redis", is_flag=True, help="FLUSHALL in the middle of the sale.")
@click.option("--times", type=click.IntRange(1, 10), default=1, help="Sales one after the other.")
@click.option("--running", is_flag=True, help="Use the platform of --data-dir and --port.")
@click.option("--port", type=click.IntRange(1, 65535))
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
    """Far more people than seats, all at the moment of opening; exit 1 when a promise broke."""
    from loadtest.command import run_flash_sale

    loaded = load(port=port, data_dir=data_dir) if running else None
    sales = run_flash_sale(
        loaded, users=users, tickets=tickets, flush_redis=flush_redis, times=times, say=say
    )
    sys.exit(0 if sales else 1)


@loadtest.command("prepare")
@click.option("--users", type=click.IntRange(1, 50_000), default=1_000, show_default=True)
@click.option("--tickets", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--opens-in", type=click.FloatRange(0, 3600), default=30.0, help="Seconds.")
@click.option("--plan", "path", type=click.Path(path_type=Path), required=True)
@click.option("--port", type=click.IntRange(1, 65535))
@data_dir_option
def loadtest_prepare(
    users: int, tickets: int, opens_in: float, path: Path, port: int | None, data_dir: Path | None
) -> None:
    """A session and buyers on the running platform, for locust's web page."""
    from loadtest.plan import Plan, prepare
    from runtime.starting import command

    async def run(loaded: Settings) -> Plan:
        return await prepare(
            loaded.base_url,
            loaded.database_url or "",
            users=users,
            tickets=tickets,
            opens_in_s=opens_in,
        )

    with_servers(load(port=port, data_dir=data_dir), run).write(path)
    say(f"{command('locust')} -f loadtest/locustfile.py --plan {path}")


@stampede.command()
@click.option("--json", "as_json", is_flag=True, help="Figures as JSON.")
@click.option("--only", default="", help="Cases by name, with commas between.")
@click.option("--seconds", type=click.FloatRange(1, 600), default=8.0, show_default=True)
@click.option("--connections", type=click.IntRange(1, 1024), default=64, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=2, help="Web processes (2).")
@click.option("--repeat", type=click.IntRange(1, 20), default=1, help="Runs: median, least, most.")
@click.option("--growth", is_flag=True, help="What an order costs as sessions grow and fill up.")
@click.option("--holds", is_flag=True, help="What finding the best seats costs Valkey.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="With --holds: another version's booking/seats/lua, in turns.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="SVG: 1 to 512 connections.")
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
    """How fast, at what cost, beside what an empty server does; exit 1 when an answer was wrong."""
    from loadtest.bench.cases.holds import bench_holds
    from loadtest.bench.command import Wanted
    from loadtest.bench.command import bench as run

    if holds:
        bench_holds(against, as_json=as_json)
        return

    names = tuple(name.strip() for name in only.split(",") if name.strip())
    wanted = Wanted(names, seconds, connections, workers, repeat)
    sys.exit(0 if run(wanted, as_json=as_json, growth=growth, plot_path=plot) else 1)
