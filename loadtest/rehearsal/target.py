"""The platform that runs, what can be done to it, and every reason not to rehearse on it."""

import asyncio
import ipaddress
import resource
import socket
import time
from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import msgspec
import psutil

from booking.rehearsals.store import is_selling
from catalog.rehearsals.store import Source
from chassis.postgres.connecting import NoPrimary
from chassis.postgres.migrations import MigrationError
from chassis.postgres.pool import Pool
from chassis.problems import Unavailable
from chassis.settings import Settings
from loadtest.bench.programs.accounting import Accounts
from loadtest.rehearsal.asking import Asked, Fault, RehearsalError
from runtime.embedded import running_urls
from runtime.embedded.ownership import owner_pid
from runtime.services import SANDBOX, SERVICES, check_schemas
from runtime.starting import attached

PROBE_TIMEOUT_S = 5.0
A_SALE_IS_ON_S = 300.0  # somebody ordered within so long
FILES_BESIDE = 200  # open files that the generator needs beside its connections
COMMANDS = {"web": "runtime.serving", "worker": "runtime.worker"}


class Target(msgspec.Struct, frozen=True):
    """`gateway`: where the crowd goes. `control`: a cluster's socket, empty for others. `roots`: the
    platform's programs on this machine; none are known where it runs elsewhere."""

    loaded: Settings
    gateway: str
    control: str
    roots: list[int]

    @property
    def on_loopback(self) -> bool:
        return _is_loopback(urlsplit(self.gateway).hostname or "")

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.roots)

    def processes(self, kind: str) -> list[psutil.Process]:
        return [process for found, process in self.accounts.processes() if found == kind]


async def find_target(loaded: Settings, asked: Asked) -> Target:
    """Raises RehearsalError if nothing runs there, or not what a rehearsal may run on."""
    servers, complete = attached(loaded)
    if servers is not None:
        raise RehearsalError(
            f"No platform runs on {loaded.data_dir}: start `stampede up`, or name its servers by"
            " STAMPEDE_DATABASE_URL and STAMPEDE_REDIS_URL."
        )
    if complete.payment_provider != SANDBOX:
        raise RehearsalError(
            f"This platform takes money by {complete.payment_provider}, and a rehearsal pays at the sandbox"
            " only: rehearse on a platform with STAMPEDE_PAYMENT_PROVIDER=sandbox."
        )
    gateway = _gateway(complete, asked.gateway)
    await _check_gateway(gateway)
    await _check_database(complete)
    urls = running_urls(loaded.data_dir)
    control = urls.control if urls is not None and urls.redis_url == complete.redis_url else ""
    _check_files(asked.people)
    return Target(complete, gateway, control, _roots(complete, gateway))


async def check_no_sale(pool: Pool, asked: Asked) -> None:
    if not asked.beside_a_sale and await is_selling(pool, time.time() - A_SALE_IS_ON_S):
        raise RehearsalError(
            f"A real sale is on: somebody ordered within the last {A_SALE_IS_ON_S / 60:.0f} minutes. Wait, or"
            " say --beside-a-sale."
        )


def check_source(source: Source | None, session_id: UUID) -> Source:
    """What can be rehearsed: what was published and may still be sold."""
    if source is None:
        raise RehearsalError(f"There is no session {session_id}.")
    why_not = {
        "draft": "is a draft: publish it first",
        "cancelled": "is cancelled",
        "closed": "has closed its sale",
    }.get(source.sale_status)
    if why_not:
        raise RehearsalError(f"Session {session_id} {why_not}.")
    return source


def check_faults(target: Target, faults: Sequence[Fault]) -> None:
    """Raises RehearsalError for what cannot be done here, before anything is made."""
    for fault in faults:
        if not fault.kill or target.control:
            continue
        if fault.kill not in COMMANDS:
            raise RehearsalError(
                f"--fault {fault.text} needs a cluster on this machine (`stampede up --topology cluster`);"
                " here kill:web and kill:worker can be had."
            )
        if not target.processes(fault.kill):
            raise RehearsalError(
                f"--fault {fault.text}: no {fault.kill} of this platform runs on this machine."
            )


def _gateway(loaded: Settings, given: str) -> str:
    url = given.rstrip("/") or f"http://127.0.0.1:{loaded.port}"
    parts = urlsplit(url)
    try:
        fits = parts.scheme == "http" and parts.hostname and parts.port is not None
    except ValueError:
        fits = None
    if not fits or parts.path:
        raise RehearsalError(
            f"--gateway must be like http://10.0.0.5:8000, not {given[:80]!r}:"
            " the crowd connects without TLS."
        )
    return url


async def _check_gateway(gateway: str) -> None:
    """It answers, and pays at the sandbox, whatever this command's settings say."""
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(f"{gateway}/api/v1/payments/options") as answer,
        ):
            options = await answer.json(content_type=None)
            provider = options.get("provider") if isinstance(options, dict) else None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        raise RehearsalError(f"No gateway answers at {gateway}.") from None
    if provider != SANDBOX:
        raise RehearsalError(f"The platform at {gateway} does not take money by the sandbox.")


async def _check_database(loaded: Settings) -> None:
    """Raises RehearsalError, or MigrationError if the schemas are not this version's."""
    try:
        await check_schemas(loaded.direct_url, SERVICES)
    except (OSError, Unavailable, NoPrimary):
        raise RehearsalError("PostgreSQL does not answer.") from None
    try:
        await check_schemas(loaded.direct_url, [SANDBOX])
    except MigrationError:
        raise RehearsalError(
            "The sandbox keeps its charges in another database, where a rehearsal could not remove them."
        ) from None


def _check_files(people: int) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < people + FILES_BESIDE:
        raise RehearsalError(
            f"A process may open {soft:,} files here, and {people:,} people need one each: raise"
            " `ulimit -n`, or ask for fewer people."
        )


def _roots(loaded: Settings, gateway: str) -> list[int]:
    parts = urlsplit(gateway)
    if not _is_loopback(parts.hostname or ""):
        return []
    owner = owner_pid(loaded.data_dir)
    if owner is not None:
        return [owner]
    return sorted({_topmost(pid) for pid in _listening(parts.port or 0)})


def _listening(port: int) -> list[int]:
    try:
        found = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # some systems tell root only
        return []
    return [
        one.pid
        for one in found
        if one.status == psutil.CONN_LISTEN and one.laddr[1:] == (port,) and one.pid is not None
    ]


def _topmost(pid: int) -> int:
    """The program that started it, as far as it is ours."""
    process = psutil.Process(pid)
    while (parent := process.parent()) is not None and _is_ours(parent):
        process = parent
    return process.pid


def _is_ours(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return "runtime.serving" in words or "stampede" in {word.rpartition("/")[2] for word in words}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except (OSError, ValueError):
        return False


async def knows(gateway: str, session_id: UUID) -> bool:
    """True if the gateway serves the database in which this session is."""
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        for _ in range(3):
            try:
                async with http.get(f"{gateway}/api/v1/sessions/{session_id}") as answer:
                    if answer.status in {200, 404}:
                        return answer.status == 200
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            await asyncio.sleep(1.0)
    return False
