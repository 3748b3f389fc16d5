"""`stampede up --topology cluster` as an operator uses it: killed part by part, stopped, started again."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from chassis.postgres.pool import connection, open_pool
from chassis.settings import Settings
from loadtest.failover.checking import check
from loadtest.failover.command import Wanted, sale
from loadtest.failover.record import read_record
from loadtest.flash_sale import free_ports
from runtime.starting import attached
from runtime.topology.control import Request, ask
from runtime.topology.starting import control_of
from tests.chaos.test_starts import start
from tests.support.api import Api
from tests.support.haproxy import program
from tests.support.platform import RunningPlatform, several_machines

pytestmark = pytest.mark.timeout(600)
ENDED_WITHIN_S = 60.0
SHORT = Wanted(
    seconds=36.0,
    clients=24,
    sessions=3,
    pace_s=2.0,
    only=("valkey-1", "FLUSHALL", "PostgreSQL", "one booking", "reshard"),
    settle_s=120.0,
)


@pytest.fixture(scope="module")
def home(scratch: Path) -> Path:
    directory = scratch / "topology"
    directory.mkdir()
    return directory


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports()


@pytest.fixture(scope="module")
async def running(home: Path, port: int) -> AsyncIterator[RunningPlatform]:
    program()  # HAProxy stands before the gateways
    given = {"STAMPEDE_TRUSTED_PROXIES": "127.0.0.0/8", "STAMPEDE_PROMOTER": "none"}
    with several_machines(home, port, **given) as platform:
        yield platform


def asked(platform: RunningPlatform, *arguments: str) -> list[str]:
    """The lines that `stampede ARGUMENTS` says about this platform."""
    done = start(*arguments, "--data-dir", str(platform.data_dir))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def role_of(platform: RunningPlatform, part: str) -> str:
    replies = ask(control_of(platform.data_dir), Request("status"))
    (role,) = [one.role for reply in replies for one in reply.parts if one.name == part]
    return role


def sentence_of(*arguments: str, **settings: str) -> str:
    done = start(*arguments, **settings)
    assert done.returncode == 1, (done.stdout, done.stderr)
    (sentence,) = done.stderr.strip().splitlines()
    return sentence


@pytest.mark.long
async def test_a_sale_loses_nothing_while_one_after_the_other_is_killed(
    running: RunningPlatform, home: Path, port: int
) -> None:
    """`make failover`, in short; and then it must find what is taken away."""
    loaded = attached(Settings(data_dir=home, port=port))[1]
    outcome = await sale(loaded, SHORT, home / "acknowledged", print)
    assert outcome.verdict.ok, outcome.verdict.lines()
    assert outcome.verdict.payments > 50, outcome.table
    for row in outcome.table[2:]:
        assert " 500 " not in row, row

    ordered, paid = read_record(home / "acknowledged")
    assert (len(ordered), len(paid)) == (outcome.verdict.orders, outcome.verdict.payments)
    await lose_tickets(loaded, paid[0].order_id)
    verdict = await check(loaded, ordered, paid, settle_s=0.0)
    assert verdict.payments_lost == [paid[0].order_id]
    assert (verdict.orders_lost, verdict.mails_lost) == ([], [])
    assert verdict.audit


async def lose_tickets(loaded: Settings, order_id: str) -> None:
    assert loaded.database_url is not None
    pool = await open_pool(loaded.database_url, "booking", size=1)
    async with connection(pool) as db:
        await db.execute("DELETE FROM tickets WHERE order_id = $1", UUID(order_id))
    await pool.close()


@pytest.mark.long
def test_postgresql_fails_over_and_back(running: RunningPlatform) -> None:
    first = [
        name for name in ("postgres-one", "postgres-two") if role_of(running, name) == "primary"
    ]
    (old,) = first
    new = "postgres-two" if old == "postgres-one" else "postgres-one"
    for killed, promoted in ((old, new), (new, old)):
        lines = asked(running, "failover", "postgresql")
        assert [line.split(" (")[0].split(" after")[0] for line in lines] == [
            killed,
            f"{promoted} is the primary",
            f"{killed} follows it",
        ]
        assert role_of(running, promoted) == "primary"
        assert role_of(running, killed) == "standby, in sync"


@pytest.mark.long
def test_a_standby_that_is_not_in_sync_is_promoted_only_by_force(running: RunningPlatform) -> None:
    """Its sender is stopped, as by a network that is cut: it has not what comes now."""
    roles = {name: role_of(running, name) for name in ("postgres-one", "postgres-two")}
    primary = next(name for name, role in roles.items() if role == "primary")
    (pid,) = [
        int(line.split(" pid ")[1].split()[0])
        for line in asked(running, "status")
        if line.startswith(f"{primary} ")
    ]
    url = attached(Settings(data_dir=running.data_dir))[1].database_url
    assert url
    asyncio.run(not_waiting(url))
    here = ("--data-dir", str(running.data_dir))
    assert "not in sync" in sentence_of("failover", "postgresql", *here)
    assert psutil.pid_exists(pid)
    lines = asked(running, "failover", "postgresql", "--force")
    assert len(lines) == 3
    assert role_of(running, primary) == "standby, in sync"


async def not_waiting(url: str) -> None:
    pool = await open_pool(url, "booking", size=1)
    async with connection(pool) as db:
        await db.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        await db.execute("SELECT pg_reload_conf()")
    await pool.close()


@pytest.mark.parametrize(
    ("name", "said"), [("nobody", "no part of this topology"), ("valkey-9", "no valkey-9")]
)
def test_what_is_not_there_cannot_be_killed(running: RunningPlatform, name: str, said: str) -> None:
    assert said in sentence_of("failover", name, "--data-dir", str(running.data_dir))


def test_the_status_says_who_takes_over(running: RunningPlatform) -> None:
    first, second, *parts = asked(running, "status")
    assert first == "HAProxy stands before the gateways."
    assert second == "PostgreSQL's standby is promoted by `stampede failover postgresql` only."
    (line,) = [part for part in parts if part.startswith("haproxy ")]
    assert line.split()[1:3] == ["serves", "pid"]


async def test_a_killed_balancer_is_back(running: RunningPlatform) -> None:
    killed, back = asked(running, "failover", "haproxy")
    assert killed.startswith("haproxy (pid ")
    assert back.startswith("haproxy is back after ")
    api = Api(running.base_url)
    answer = await api.get("/readyz")
    await api.close()
    assert answer.status == 200


def test_nobody_hands_over_in_order_without_patroni(running: RunningPlatform) -> None:
    here = ("--data-dir", str(running.data_dir))
    assert "only by Patroni" in sentence_of("failover", "postgresql", "--planned", *here)


def test_where_no_cluster_runs_one_sentence_says_so(tmp_path: Path) -> None:
    for arguments in (("failover", "valkey"), ("status",), ("restart",)):
        assert "No topology is running" in sentence_of(*arguments, "--data-dir", str(tmp_path))


def test_an_unknown_topology_is_one_sentence(tmp_path: Path) -> None:
    wrong = {"STAMPEDE_TOPOLOGY": "wrong"}
    assert "single, cluster" in sentence_of("up", "--data-dir", str(tmp_path), **wrong)
    said = sentence_of("up", "--topology", "wrong", "--data-dir", str(tmp_path))
    assert said == "stampede: Wrong settings: --topology must be one of single, cluster."


@pytest.mark.long
async def test_a_second_start_has_what_the_first_acknowledged_and_the_promoted_primary(
    running: RunningPlatform, home: Path, port: int
) -> None:
    api = Api(running.base_url)
    person = await api.register()
    await api.close()
    asked(running, "failover", "postgresql")
    roles = {name: role_of(running, name) for name in ("postgres-one", "postgres-two")}
    parent = psutil.Process(running.processes["up"].pid)
    family = parent.children(recursive=True)
    assert len(family) > 30
    for _ in range(2):  # impatience must lose nothing either
        parent.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs([parent, *family], timeout=ENDED_WITHIN_S)
    assert not alive, [process.cmdline() for process in alive]
    with several_machines(home, port) as again:
        assert {name: role_of(again, name) for name in roles} == roles
        api = Api(again.base_url)
        me = await api.get("/auth/me", token=person.token)
        await api.close()
        assert (me.status, me.json["email"]) == (200, person.email)
