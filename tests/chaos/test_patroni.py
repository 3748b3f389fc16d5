"""A cluster whose PostgreSQL Patroni runs with etcd: killed, handed over, and without a standby in sync.

`make test-patroni` runs it; `make test` does not (conftest).
"""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from chassis.postgres.pool import connection, open_pool
from chassis.settings import Settings
from loadtest.failover.command import Wanted, sale
from loadtest.flash_sale import free_ports
from runtime.embedded.patroni import find_programs
from runtime.embedded.patroni_config import TTL_S
from runtime.starting import attached
from tests.chaos.test_starts import start
from tests.support.platform import RunningPlatform, environment, several_machines
from tests.support.servers import ROOT, eventually

pytestmark = pytest.mark.timeout(600)
ENDED_WITHIN_S = 60.0
SHORT = Wanted(
    seconds=46.0, clients=12, sessions=3, pace_s=2.0, only=("PostgreSQL",), settle_s=120.0
)


@pytest.fixture(scope="module")
def home(scratch: Path) -> Path:
    directory = scratch / "patroni"
    directory.mkdir()
    return directory


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports()


@pytest.fixture(scope="module")
def running(home: Path, port: int) -> Iterator[RunningPlatform]:
    assert find_programs() is not None, "patroni and etcd (Debian: etcd-server) must be installed"
    given = {"STAMPEDE_TRUSTED_PROXIES": "127.0.0.0/8", "STAMPEDE_PROMOTER": "patroni"}
    with several_machines(home, port, **given) as platform:
        yield platform


def asked(platform: RunningPlatform, *arguments: str) -> list[str]:
    done = start(*arguments, "--data-dir", str(platform.data_dir))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def parts(platform: RunningPlatform) -> dict[str, tuple[str, int]]:
    """Role and process id of each part, by its name."""
    found = {}
    for line in asked(platform, "status"):
        name, _, rest = line.partition(" ")
        role, with_pid, after = rest.partition(" pid ")
        if with_pid and after.split()[0].isdigit():
            found[name] = (role.strip(), int(after.split()[0]))
    return found


def primary_of(platform: RunningPlatform) -> str:
    (name,) = [name for name, (role, _) in parts(platform).items() if role == "primary"]
    return name


async def noted(platform: RunningPlatform, note: str = "") -> list[str]:
    """All notes, in the primary's words, after `note` has been added."""
    url = attached(Settings(data_dir=platform.data_dir))[1].database_url
    assert url is not None
    pool = await open_pool(url, "booking", size=1)
    try:
        async with connection(pool) as db:
            await db.execute("CREATE TABLE IF NOT EXISTS notes (note text)")
            if note:
                await db.execute("INSERT INTO notes VALUES ($1)", note)
            return [row["note"] for row in await db.fetch("SELECT note FROM notes ORDER BY note")]
    finally:
        await pool.close()


def test_the_status_says_that_patroni_promotes(running: RunningPlatform) -> None:
    assert f"Patroni promotes PostgreSQL's standby, {TTL_S} s" in "\n".join(
        asked(running, "status")
    )
    roles = {name: role for name, (role, _) in parts(running).items()}
    assert roles["postgres-one"] == "primary"
    assert roles["postgres-two"] == "standby, in sync"
    assert {roles[name] for name in ("patroni-one", "patroni-two", "etcd")} == {"runs"}


@pytest.mark.parametrize(
    ("port_after", "path"), [(84, "/v3/kv/put"), (82, "/switchover"), (83, "/switchover")]
)
async def test_a_program_without_the_password_decides_nothing(
    running: RunningPlatform, port: int, port_after: int, path: str
) -> None:
    body = {"key": "aGVyZQ==", "leader": "one", "candidate": "two"}
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port + port_after}") as http,
        http.post(path, json=body) as answer,
    ):
        assert answer.status in {400, 401}
        assert re.search("user name is empty|no auth header", await answer.text())


async def test_a_sale_loses_nothing_when_the_primary_hands_over_and_when_it_is_killed(
    running: RunningPlatform, home: Path, port: int
) -> None:
    loaded = attached(Settings(data_dir=home, port=port))[1]
    outcome = await sale(loaded, SHORT, home / "acknowledged", print)
    assert outcome.verdict.ok, outcome.verdict.lines()
    assert outcome.verdict.payments > 20, outcome.table
    hands_over, killed = outcome.table[3:5]
    assert "postgres-one follows it" in hands_over
    assert "postgres-two follows it" in killed
    assert primary_of(running) == "postgres-one"


async def test_the_primary_goes_on_while_etcd_is_started_again(running: RunningPlatform) -> None:
    before = primary_of(running)
    (killed, back) = asked(running, "failover", "etcd")
    assert killed.startswith("etcd (pid ")
    assert back.startswith("etcd was started again after ")
    assert "while etcd" in await noted(running, "while etcd")
    assert primary_of(running) == before


async def test_commits_go_on_without_the_standby_which_nobody_promotes_then(
    running: RunningPlatform,
) -> None:
    """Its Patroni hangs and its PostgreSQL is killed: what the primary acknowledges now, only it has."""
    old = primary_of(running)
    new = "postgres-two" if old == "postgres-one" else "postgres-one"
    now = parts(running)
    patroni = psutil.Process(now[new.replace("postgres", "patroni")][1])
    patroni.send_signal(signal.SIGSTOP)
    psutil.Process(now[new][1]).kill()
    try:
        assert "alone" in await noted(running, "alone")
        here = ("--data-dir", str(running.data_dir))
        refused = start("failover", "postgresql", *here)
        assert refused.returncode == 1
        assert "not in sync" in refused.stderr, refused.stderr
        forced = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stampede", "failover", "postgresql", "--force", *here),
            cwd=ROOT,
            env=environment(),
            stdout=PIPE,
            stderr=PIPE,
        )
        assert forced.stdout is not None
        killed = await forced.stdout.readline()
        assert b" killed." in killed, await forced.communicate()
    finally:
        patroni.send_signal(signal.SIGCONT)
    _, why = await asyncio.wait_for(forced.communicate(), ENDED_WITHIN_S)
    assert f"Patroni has promoted nobody; {old} is started again" in why.decode()

    def both() -> bool:
        return "standby, in sync" in str(parts(running))

    assert await asyncio.to_thread(eventually, both, ENDED_WITHIN_S)
    assert primary_of(running) == old
    assert "alone" in await noted(running)


def test_all_ends_with_a_supervisor_that_is_killed(running: RunningPlatform) -> None:
    parent = psutil.Process(running.processes["up"].pid)
    family = parent.children(recursive=True)
    servers = [one for _, one in parts(running).values() if psutil.pid_exists(one)]
    family += [psutil.Process(pid) for pid in servers]
    parent.kill()
    _, alive = psutil.wait_procs(family, timeout=ENDED_WITHIN_S)
    assert not alive, [one.cmdline() for one in alive]


async def test_a_second_start_has_what_the_first_acknowledged(
    running: RunningPlatform, home: Path, port: int
) -> None:
    with several_machines(home, port) as again:  # what the data were made with decides
        assert {"alone", "while etcd"} <= set(await noted(again))
        assert primary_of(again) in {"postgres-one", "postgres-two"}
    wrong = start("up", "--topology", "cluster", "--promoter", "none", "--data-dir", str(home))
    assert wrong.returncode == 1
    assert "were made with Patroni" in wrong.stderr
