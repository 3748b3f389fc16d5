"""`make alerts`: `python -m loadtest.alerts`. Exit code 1 if an alert did not fire, did not clear, or fired
without a cause."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import rich_click as click

from chassis.settings import Settings
from loadtest.alerts.causes import Cause, Causes, write_certificate
from loadtest.alerts.prometheus import Missing, Watch, watching
from loadtest.alerts.rules import write_shortened
from loadtest.alerts.table import Injected, as_markdown, lines, without_cause
from loadtest.failover.buyers import Buyer, OnSale
from loadtest.failover.command import CALL_TIMEOUT_S, CONNECTIONS_MAX, Wanted, accounts, put_on_sale
from loadtest.failover.events import Platform
from loadtest.failover.record import Record
from loadtest.flash_sale import Say, allow_many_files, scratch_cluster
from loadtest.plan import PrepareError
from runtime.services import SERVICES
from runtime.starting import StartError, attached
from runtime.topology.control import Refused
from runtime.topology.processes import Ports
from runtime.topology.starting import control_of

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "rules"
DIVISOR = 20  # of every duration in the rules
FIRES_WITHIN_S = 150.0
CLEARS_WITHIN_S = 240.0
WARM_UP_S = 20.0  # before which alerts are no news: backlogs of the start
DISK_BYTES = 3 << 30
SETTINGS = {
    "STAMPEDE_BALANCER": "none",  # whoever hangs is asked by Prometheus itself
    "STAMPEDE_PROMOTER": "none",
    "STAMPEDE_AUDIT_INTERVAL_S": "20",
}


class Plan(msgspec.Struct, frozen=True):
    """What is asked for: `quiet_s` of sale without a cause first; parts of causes' names, empty for all."""

    quiet_s: float
    only: tuple[str, ...]
    clients: int
    pace_s: float


class Outcome(msgspec.Struct):
    table: list[str]
    wrong: list[str]


async def run(loaded: Settings, causes: Causes, watch: Watch, plan: Plan, say: Say) -> Outcome:
    platform = Platform(control_of(loaded.data_dir))
    chosen = [one for one in causes.all() if not plan.only or any(p in one.name for p in plan.only)]
    wanted = Wanted(seconds=3600.0, clients=plan.clients, pace_s=plan.pace_s)
    on_sale = await put_on_sale(loaded, platform, wanted)
    async with _selling(loaded, wanted, on_sale):
        await asyncio.sleep(WARM_UP_S)
        await watch.until(lambda: not watch.names(), CLEARS_WITHIN_S)  # what the start made fire
        injected = [await _quiet(plan.quiet_s)]
        say(f"  {plan.quiet_s:.0f} s of plain sale: {sorted(watch.names()) or 'nothing fires'}")
        for cause in chosen:
            injected.append(await _inject(cause, watch, say))
    table = lines(injected, watch.loud())
    wrong = [f"{one.alert} did not fire: {one.cause}" for one in table if one.fired == "not"]
    wrong += [
        f"{one.alert} did not clear: {one.cause}" for one in table if one.cleared == "not yet"
    ]
    wrong += without_cause(injected, watch.history)
    return Outcome(as_markdown(table), wrong)


async def _quiet(seconds: float) -> Injected:
    sale = Injected("nothing: a plain sale", time.monotonic())
    await asyncio.sleep(seconds)
    sale.undone = sale.over = time.monotonic()
    return sale


async def _inject(cause: Cause, watch: Watch, say: Say) -> Injected:
    """Lasts until its alerts fire, and is over when they have cleared."""
    one = Injected(cause.name, time.monotonic(), cause.fires, cause.may)
    async with cause.lasting():
        await watch.until(lambda: cause.fires <= watch.names(), FIRES_WITHIN_S)
        said = sorted(watch.names())
    one.undone = time.monotonic()
    await watch.until(lambda: not (cause.fires | cause.may) & watch.names(), CLEARS_WITHIN_S)
    one.over = time.monotonic()
    took = one.undone - one.began
    say(
        f"  {cause.name}: {', '.join(said)} after {took:.0f} s; {one.over - one.undone:.0f} s to clear"
    )
    return one


@asynccontextmanager
async def _selling(
    loaded: Settings, wanted: Wanted, on_sale: Sequence[OnSale]
) -> AsyncIterator[None]:
    """Clients buy and pay meanwhile, and repeat what was not served."""
    tokens = await accounts(loaded, wanted)
    record, over = Record(loaded.data_dir / "acknowledged.jsonl"), asyncio.Event()
    connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
    timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
    base = f"{loaded.base_url}/api/v1/"
    async with aiohttp.ClientSession(base, connector=connector, timeout=timeout) as http:
        buyers = [
            Buyer(http, record, number, on_sale[number % len(on_sale)], tokens[number])
            for number in range(wanted.clients)
        ]
        buying = [asyncio.create_task(buyer.run(over, wanted.pace_s)) for buyer in buyers]
        try:
            yield
        finally:
            over.set()
            for one in buying:
                one.cancel()
            await asyncio.gather(*buying, return_exceptions=True)
            record.close()


def _targets(loaded: Settings) -> Mapping[str, Sequence[int]]:
    """The workers' figures are in the gateways'."""
    ports = Ports(loaded.port, loaded.workers)
    return {"gateway": [loaded.port], **{name: ports.of(name) for name in SERVICES}}


@contextlib.contextmanager
def _small_disk(say: Say) -> Iterator[Path | None]:
    """A file system in memory that may be filled. None where this user may mount nothing."""
    folder = Path(tempfile.mkdtemp(prefix="stampede-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "stampede-alerts", str(folder)]
    mounted = (
        os.geteuid() == 0
        and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    )
    if not mounted:
        say("No disk is filled: mounting one needs root.")
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


async def _watched(loaded: Settings, causes: Causes, folder: Path, plan: Plan, say: Say) -> Outcome:
    write_shortened(sorted(RULES.glob("*.yml")), folder / "rules", DIVISOR)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with watching(folder, folder / "rules", _targets(loaded), port) as watch:
        return await run(loaded, causes, watch, plan, say)


@click.command()
@click.option("--quiet", type=click.FloatRange(10, 3600), default=120.0, show_default=True,
              help="Seconds of plain sale before the first cause.")  # fmt: skip
@click.option("--only", default="", help="Parts of causes' names, separated by commas.")
@click.option("--clients", type=click.IntRange(3, 1000), default=30, show_default=True)
@click.option("--pace", type=click.FloatRange(0.1, 60), default=5.0, show_default=True,
              help="Seconds between two purchases of a client.")  # fmt: skip
def main(quiet: float, only: str, clients: int, pace: float) -> None:
    """Injects causes into a cluster of its own that sells, and tells which alerts fire."""
    allow_many_files()
    parts = tuple(one.strip() for one in only.split(",") if one.strip())
    plan = Plan(quiet, parts, clients, pace)
    if shutil.which("prometheus") is None:
        raise click.ClickException("There is no prometheus on the PATH (Debian: prometheus).")
    with (
        tempfile.TemporaryDirectory(prefix="stampede-alerts-") as name,
        _small_disk(click.echo) as disk,
    ):
        folder = Path(name)
        certificate = folder / "edge.pem"
        write_certificate(certificate, days=90)
        environ = SETTINGS | {"STAMPEDE_CERTIFICATES": str(certificate)}
        try:
            with scratch_cluster(click.echo, environ, disk) as loaded:
                complete = attached(loaded)[1]
                assert complete.database_url is not None
                platform = Platform(control_of(complete.data_dir))
                causes = Causes(platform, complete.database_url, certificate, disk)
                outcome = asyncio.run(_watched(complete, causes, folder, plan, click.echo))
        except (Refused, StartError, PrepareError, Missing) as trouble:
            raise click.ClickException(str(trouble)) from None
    for line in outcome.table:
        click.echo(line)
    for one in outcome.wrong:
        click.echo(f"WRONG: {one}")
    click.echo(f"{len(outcome.wrong)} wrong")
    raise SystemExit(bool(outcome.wrong))
