"""`make failover`: `python -m loadtest.failover`. Its own platform, or with --running the one that runs."""

import asyncio
import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp
import msgspec
import rich_click as click

from chassis import settings
from chassis.settings import Settings
from identity.administration import create_account, make_buyers
from loadtest.failover.buyers import PURCHASES_A_BUYER, Buyer, OnSale
from loadtest.failover.checking import Verdict, check
from loadtest.failover.events import Event, Platform, all_events, happens, slot_of_session
from loadtest.failover.record import Record
from loadtest.failover.table import Happened, as_markdown, rows
from loadtest.flash_sale import Say, allow_many_files, scratch_cluster
from loadtest.plan import PrepareError, make_session, post
from runtime.starting import StartError, attached
from runtime.topology.control import Refused
from runtime.topology.starting import control_of

CALL_TIMEOUT_S = 15.0
CONNECTIONS_MAX = 1_000
SESSIONS_MADE_MAX = 60  # until every Valkey primary has its part of those on sale
OVERRUN_S = 300.0
QUIET_S = 3.0  # of undisturbed sale at both ends
ACKNOWLEDGED = "acknowledged.jsonl"


class Wanted(msgspec.Struct, frozen=True):
    """How long, how many, how fast, and which events (parts of their names; empty: all)."""

    seconds: float = 300.0
    clients: int = 200
    sessions: int = 6
    pace_s: float = 3.0
    only: tuple[str, ...] = ()
    settle_s: float = 180.0

    @property
    def longest_s(self) -> float:
        """Events may take longer than their part of the time."""
        return self.seconds + OVERRUN_S


class Outcome(msgspec.Struct):
    table: list[str]
    requests: int
    failed: int
    verdict: Verdict


async def sale(loaded: Settings, wanted: Wanted, record_path: Path, say: Say) -> Outcome:
    """One sale on a running cluster. Raises Refused if an event could not be made to happen."""
    platform = Platform(control_of(loaded.data_dir))
    for line in platform.who_takes_over():
        say(line)
    on_sale = await put_on_sale(loaded, platform, wanted)
    tokens = await accounts(loaded, wanted)
    record = Record(record_path)
    over = asyncio.Event()
    base = f"{loaded.base_url}/api/v1/"
    connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
    timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
    async with aiohttp.ClientSession(base, connector=connector, timeout=timeout) as http:
        buyers = [
            Buyer(http, record, number, on_sale[number % len(on_sale)], tokens[number])
            for number in range(wanted.clients)
        ]
        buying = [asyncio.create_task(buyer.run(over, wanted.pace_s)) for buyer in buyers]
        try:
            events = await _happen(_chosen(platform, on_sale, wanted), wanted, say)
        finally:
            over.set()
            await asyncio.gather(*buying)
    record.close()
    say("The sale is over; now every acknowledgement is compared ...")
    verdict = await check(loaded, record.ordered, record.paid, settle_s=wanted.settle_s)
    table = as_markdown(rows(record, events, [one.number for one in on_sale]))
    return Outcome(table, record.requests, len(record.failures), verdict)


async def _happen(events: Sequence[Event], wanted: Wanted, say: Say) -> list[Happened]:
    """Each event has an equal part of the time, or longer if it takes longer."""
    part_s = (wanted.seconds - 2 * QUIET_S) / max(1, len(events))
    happened = [Happened("nothing", time.monotonic())]
    await asyncio.sleep(QUIET_S)
    for event in events:
        began = happened[-1].ended = time.monotonic()
        happened.append(Happened(event.name, began))
        happened[-1].said = await happens(event)
        say(f"  {event.name}: {happened[-1].said}")
        await asyncio.sleep(max(1.0, began + part_s - time.monotonic()))
    happened[-1].ended = time.monotonic()
    happened.append(Happened("nothing", time.monotonic()))
    await asyncio.sleep(QUIET_S)
    happened[-1].ended = time.monotonic()
    return happened


def _chosen(platform: Platform, on_sale: Sequence[OnSale], wanted: Wanted) -> list[Event]:
    events = all_events(platform, on_sale)
    if not wanted.only:
        return events
    return [one for one in events if any(part in one.name for part in wanted.only)]


async def put_on_sale(loaded: Settings, platform: Platform, wanted: Wanted) -> list[OnSale]:
    """Sessions on sale, equally many on each Valkey primary. Each has more seats than can be sold."""
    seats = math.ceil(wanted.clients / wanted.sessions * wanted.longest_s / wanted.pace_s) + 100
    assert loaded.database_url is not None
    email, password = f"organizer-{time.time_ns()}@loadtest.stampede.example", "sells-without-end"
    await create_account(
        loaded.database_url, email=email, password=password, role="organizer", full_name="Load test"
    )
    room = {one.port: math.ceil(wanted.sessions / 3) for one in platform.primaries()}
    found: list[OnSale] = []
    async with aiohttp.ClientSession(f"{loaded.base_url}/api/v1/") as http:
        login = await post(http, "auth/login", {"email": email, "password": password}, "")
        for _ in range(SESSIONS_MADE_MAX):
            made = await make_session(http, login["access_token"], seats, 0.0, per_user_max=100)
            owner = platform.owner_port(slot_of_session(made["session_id"]))
            if room[owner]:
                room[owner] -= 1
                area = made["seat_areas"][0]["area_id"]
                found.append(OnSale(len(found) + 1, made["session_id"], area))
            if len(found) == wanted.sessions:
                return found
    raise Refused("The sessions do not spread over the Valkey nodes.")


async def accounts(loaded: Settings, wanted: Wanted) -> list[list[str]]:
    """Tokens for each client: enough accounts for what it may buy."""
    assert loaded.database_url is not None
    each = math.ceil(2 * wanted.longest_s / wanted.pace_s / PURCHASES_A_BUYER)
    made = await make_buyers(
        loaded.database_url,
        each * wanted.clients,
        access_token_ttl_s=int(wanted.longest_s) + 900,
    )
    tokens = [token for _, token in made]
    return [tokens[number * each : (number + 1) * each] for number in range(wanted.clients)]


@contextlib.contextmanager
def _platform(running: Path | None, port: int, say: Say) -> Iterator[Settings]:
    if running is None:
        with scratch_cluster(say) as loaded:
            yield loaded
    else:
        yield msgspec.structs.replace(settings.load(), data_dir=running, port=port)


@click.command()
@click.option("--seconds", type=click.FloatRange(10, 7200), default=300.0, show_default=True)
@click.option("--clients", type=click.IntRange(3, 5000), default=200, show_default=True)
@click.option("--sessions", type=click.IntRange(1, 30), default=6, show_default=True)
@click.option("--pace", type=click.FloatRange(0.1, 60), default=3.0, show_default=True,
              help="Seconds between two purchases of a client.")  # fmt: skip
@click.option("--only", default="", help="Parts of events' names, separated by commas.")
@click.option(
    "--running", type=click.Path(path_type=Path), help="Data directory of a cluster that runs."
)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, help="Its port.")
def main(  # noqa: PLR0917  options are options
    seconds: float,
    clients: int,
    sessions: int,
    pace: float,
    only: str,
    running: Path | None,
    port: int,
) -> None:
    """Sells while everything dies in turn. Exit code 1 if anything acknowledged is lost."""
    allow_many_files()
    parts = tuple(one.strip() for one in only.split(",") if one.strip())
    wanted = Wanted(seconds, clients, sessions, pace, parts)
    try:
        with _platform(running, port, click.echo) as loaded:
            outcome = _report(loaded, wanted)
    except (Refused, StartError, PrepareError) as trouble:
        raise click.ClickException(str(trouble)) from None
    raise SystemExit(0 if outcome.verdict.ok else 1)


def _report(loaded: Settings, wanted: Wanted) -> Outcome:
    complete = attached(loaded)[1]
    outcome = asyncio.run(sale(complete, wanted, complete.data_dir / ACKNOWLEDGED, click.echo))
    for line in (*outcome.table, "", *outcome.verdict.lines()):
        click.echo(line)
    click.echo(f"{outcome.requests:,} requests, {outcome.failed:,} failed and were repeated")
    return outcome
