"""The embedded PostgreSQL and Valkey: real ones, started, killed, left over and taken over."""

import asyncio
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
import redis.asyncio

from runtime.embedded import (
    EmbeddedError,
    EmbeddedServers,
    ServerUrls,
    StartCancelled,
    running_urls,
)
from tests.support.servers import eventually

ROOT = Path(__file__).resolve().parents[4]
OWNER = """
import sys
import threading
from pathlib import Path
from runtime.embedded import EmbeddedServers
servers = EmbeddedServers(Path(sys.argv[1]))
if sys.argv[2] == "in_thread":
    starter = threading.Thread(target=servers.start)
    starter.start()
    starter.join()
else:
    servers.start()
print(*servers.pids.values(), flush=True)
sys.stdin.read()
servers.stop()
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "票务 ünï 'quoted'" / "data dir"
    yield directory
    assert eventually(lambda: not processes_under(directory)), processes_under(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def started(data_dir: Path) -> Iterator[Callable[..., tuple[EmbeddedServers, ServerUrls]]]:
    """Starts servers on the data directory; they are stopped when the test ends."""
    everything: list[EmbeddedServers] = []

    def start(**options: Any) -> tuple[EmbeddedServers, ServerUrls]:
        servers = EmbeddedServers(data_dir, **options)
        everything.append(servers)
        return servers, servers.start()

    yield start
    for servers in everything:
        servers.stop()


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_under(directory: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(directory):
                found.append(f"{process.pid} {process.name()}")
        except (psutil.Error, OSError):
            continue
    return found


async def ask(urls: ServerUrls, query: str) -> Any:
    connection = await asyncpg.connect(urls.database_url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def command(urls: ServerUrls, *words: str) -> Any:
    client = redis.asyncio.from_url(urls.redis_url, decode_responses=True)
    try:
        return await client.execute_command(*words)  # type: ignore[no-untyped-call]
    finally:
        await client.aclose()


async def answers(urls: ServerUrls) -> bool:
    try:
        return await ask(urls, "SELECT 1") == 1 and bool(await command(urls, "PING"))
    except (OSError, asyncpg.PostgresError, redis.RedisError):
        return False


async def revived(servers: EmbeddedServers, urls: ServerUrls) -> bool:
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        servers.poll()
        if len(servers.pids) == 2 and await answers(urls):
            return True
        await asyncio.sleep(0.02)
    return False


def owner_process(
    data_dir: Path, *, in_thread: bool = False
) -> tuple[subprocess.Popen[str], list[int]]:
    """Another process that owns the directory, and its servers' pids; ends at EOF on its stdin."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir), "in_thread" if in_thread else ""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    return process, [int(pid) for pid in process.stdout.readline().split()]


async def test_a_warm_start_makes_nothing_anew_and_keeps_data(started: Any) -> None:
    first, urls = started()
    made_as = await ask(urls, "SELECT system_identifier FROM pg_control_system()")
    await ask(urls, "CREATE TABLE kept AS SELECT 'ß票'::text AS it")
    await command(urls, "SET", "kept", "ß票")
    assert first.start() == urls, "a second start is the first"
    first.stop()
    first.stop()
    assert first.pids == {}

    second, urls = started()
    assert await ask(urls, "SELECT system_identifier FROM pg_control_system()") == made_as
    assert set(second.pids) == {"postgres", "valkey"}
    assert await ask(urls, "SELECT it FROM kept") == "ß票"
    assert await command(urls, "GET", "kept") == "ß票"


async def test_machine_settings_do_not_matter(
    started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in {
        "TZ": "Asia/Shanghai",
        "LC_ALL": "xx_XX.UTF-8",
        "PGPORT": "1",
        "PGHOST": "nowhere",
        "PGDATA": "/nowhere",
    }.items():
        monkeypatch.setenv(key, value)
    _, urls = started()
    query = "SELECT current_setting('{}')".format
    assert await ask(urls, query("TimeZone")) == "UTC"
    assert await ask(urls, query("lc_messages")) == "C"
    assert await ask(urls, query("server_encoding")) == "UTF8"
    assert await ask(urls, "SELECT lower('ÄÉ')") == "äé"
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await ask(urls, query(name)) == "on"
    assert await ask(urls, query("listen_addresses")) == ""
    assert await command(urls, "CONFIG", "GET", "port") == {"port": "0"}
    assert await command(urls, "CONFIG", "GET", "appendonly") == {"appendonly": "yes"}


async def test_killed_servers_come_back_with_what_they_acknowledged(started: Any) -> None:
    events: list[tuple[str, dict[str, object]]] = []
    servers, urls = started(on_event=lambda event, facts: events.append((event, facts)))
    await ask(urls, "CREATE TABLE paid (n int)")
    for name in ("postgres", "valkey"):
        await ask(urls, "INSERT INTO paid VALUES (1)")
        await command(urls, "INCR", "paid")
        killed = servers.pids[name]
        os.kill(killed, signal.SIGKILL)
        assert eventually(lambda: killed not in servers.pids.values())  # noqa: B023  used at once
        assert await revived(servers, urls)
        assert servers.pids[name] != killed
    assert await ask(urls, "SELECT count(*) FROM paid") == 2
    assert await command(urls, "GET", "paid") == "2"
    assert [facts["server"] for event, facts in events if event == "server_died"] == [
        "postgres",
        "valkey",
    ]


async def test_stuck_backend_of_a_killed_postmaster_does_not_block_the_restart(
    started: Any,
) -> None:
    servers, urls = started()
    connection = await asyncpg.connect(urls.database_url)
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)
    os.kill(servers.pids["postgres"], signal.SIGKILL)
    assert eventually(lambda: "postgres" not in servers.pids)
    assert await revived(servers, urls)
    assert not alive(backend)
    connection.terminate()


async def test_stale_pid_files_and_sockets_are_no_obstacle(started: Any, data_dir: Path) -> None:
    servers, urls = started()
    await ask(urls, "CREATE TABLE kept (n int)")
    sockets = Path(urls.redis_url.removeprefix("unix://")).parent
    old = (data_dir / "postgres/postmaster.pid").read_text().splitlines()
    servers.stop()
    foreign = [str(os.getpid()), *old[1:]]  # after a reboot, the pid is somebody else's
    (data_dir / "postgres/postmaster.pid").write_text("\n".join(foreign) + "\n")
    (data_dir / "valkey/valkey.pid").write_text(f"{os.getpid()}\n")
    sockets.mkdir(mode=0o700)
    for name in (".s.PGSQL.5432", "valkey.sock"):
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(sockets / name))
    (sockets / ".s.PGSQL.5432.lock").write_text("\n".join(foreign) + "\n")
    _, urls = started()
    assert await ask(urls, "SELECT count(*) FROM kept") == 0
    assert await answers(urls)


async def test_second_owner_is_refused_in_one_sentence(started: Any, data_dir: Path) -> None:
    owner, _pids = owner_process(data_dir)
    with pytest.raises(EmbeddedError) as refused:
        started()
    assert str(refused.value).startswith(f"Another stampede (pid {owner.pid}) uses {data_dir}: ")
    assert "\n" not in str(refused.value)

    urls = running_urls(data_dir)
    assert urls is not None
    assert await answers(urls)
    owner.communicate(timeout=20)
    assert owner.returncode == 0
    assert running_urls(data_dir) is None
    started()


async def test_servers_of_a_killed_owner_are_taken_over(started: Any, data_dir: Path) -> None:
    owner, pids = owner_process(data_dir)
    urls = running_urls(data_dir)
    assert urls is not None
    await ask(urls, "CREATE TABLE kept AS SELECT 1 AS n")
    await command(urls, "SET", "kept", "1")
    owner.kill()
    owner.communicate(timeout=20)
    _, urls = started()  # while the old ones are shutting down
    assert not any(alive(pid) for pid in pids)
    assert await ask(urls, "SELECT n FROM kept") == 1
    assert await command(urls, "GET", "kept") == "1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a death")
async def test_servers_of_a_killed_owner_end_by_themselves(started: Any, data_dir: Path) -> None:
    owner, pids = owner_process(data_dir)
    assert len(pids) == 2
    owner.kill()
    owner.communicate(timeout=20)
    assert eventually(lambda: not any(alive(pid) for pid in pids))
    assert running_urls(data_dir) is None
    started()  # and the next owner removes the sockets they left


async def test_orphans_nobody_told_of_their_owners_death_are_ended(
    started: Any, data_dir: Path
) -> None:
    """As outside Linux, or started off the main thread: they run on until the next owner comes."""
    owner, pids = owner_process(data_dir, in_thread=True)
    owner.kill()
    owner.communicate(timeout=20)
    assert all(alive(pid) for pid in pids)
    _, urls = started()
    assert await answers(urls)
    assert not any(alive(pid) for pid in pids)


def test_interrupted_start_leaves_nothing_running(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir)
    with pytest.raises(StartCancelled):
        servers.start(lambda: True)
    assert servers.pids == {}
    assert processes_under(data_dir) == []
    servers.start()
    assert set(servers.pids) == {"postgres", "valkey"}
    servers.stop()


async def test_half_made_cluster_of_a_killed_first_start_is_made_anew(
    started: Any, data_dir: Path
) -> None:
    (data_dir / "postgres.new" / "base").mkdir(parents=True)
    _, urls = started()
    assert await answers(urls)
    assert not (data_dir / "postgres.new").exists()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [("letter.txt", "dear diary", "no PostgreSQL data"), ("PG_VERSION", "16\n", "PostgreSQL 16")],
)
def test_folder_that_is_not_ours_is_left_alone(
    data_dir: Path, name: str, text: str, said: str
) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / name).write_text(text)
    with pytest.raises(EmbeddedError, match=said):
        EmbeddedServers(data_dir).start()
    assert (data_dir / "postgres" / name).read_text() == text


def test_an_initdb_that_fails_says_why(data_dir: Path) -> None:
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, most[1]))  # less than a segment of the log
    try:
        with pytest.raises(EmbeddedError, match=r"initdb failed .*\(exit 1: .*File too large"):
            EmbeddedServers(data_dir, redis=False).start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)


def test_server_that_cannot_start_is_explained(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir, postgres=False)
    servers.start()
    servers.stop()
    manifest = next((data_dir / "valkey/appendonlydir").glob("*.manifest"))
    manifest.write_text("nonsense\n")
    with pytest.raises(EmbeddedError, match=r"valkey did not start .*may be deleted"):
        EmbeddedServers(data_dir).start()
    assert processes_under(data_dir) == []


async def test_socket_folder_made_by_somebody_else_is_not_used(
    started: Any, data_dir: Path, tmp_path: Path
) -> None:
    servers, urls = started(postgres=False)
    usual = Path(urls.redis_url.removeprefix("unix://")).parent
    assert len(os.fsencode(usual / ".s.PGSQL.5432")) <= 103
    servers.stop()
    assert not usual.exists()
    trap = tmp_path / "trap"
    trap.mkdir()
    usual.symlink_to(trap)
    try:
        _, urls = started()
        assert Path(urls.redis_url.removeprefix("unix://")).parent != usual
        assert await answers(urls)
        assert list(trap.iterdir()) == []
    finally:
        usual.unlink()


async def test_one_server_alone(started: Any) -> None:
    servers, urls = started(postgres=False)
    assert set(servers.pids) == {"valkey"}
    assert urls.database_url == ""
    assert await command(urls, "PING")
