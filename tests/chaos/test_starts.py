"""Starts and stops: on the same data, with a taken port, after a kill, and nothing left behind."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.support.api import Api
from tests.support.platform import all_in_one, environment
from tests.support.servers import ROOT, free_port


def start(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "stampede", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = start("up", "--port", port, "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_wrong_settings_stop_the_start_and_every_key_is_named(tmp_path: Path) -> None:
    done = start(
        "up",
        "--data-dir",
        str(tmp_path),
        STAMPEDE_PORT="x",
        STAMPEDE_HOLD_TTL_S="0",
        STAMPEDE_NO="1",
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for key in ("STAMPEDE_PORT", "STAMPEDE_HOLD_TTL_S", "STAMPEDE_NO"):
        assert key in done.stderr


def test_a_server_that_is_not_there_is_said_in_one_sentence(tmp_path: Path) -> None:
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/none"
    done = start("migrate", "--data-dir", str(tmp_path), STAMPEDE_DATABASE_URL=url)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("role", [("serve", "booking"), ("serve", "sandbox"), ("worker",)])
async def test_a_schema_too_old_is_refused_and_left_as_it_is(
    tmp_path: Path, database_url: str, redis_url: str, role: tuple[str, ...]
) -> None:
    """Only `stampede migrate` and `stampede up` change schemas."""
    urls = {"STAMPEDE_DATABASE_URL": database_url, "STAMPEDE_REDIS_URL": redis_url}
    db = await asyncpg.connect(database_url)
    for schema in ("booking", "sandbox"):
        await db.execute(f"DELETE FROM {schema}.migrations WHERE name NOT LIKE '0001%'")
    done = start(*role, "--data-dir", str(tmp_path), **urls)
    assert done.returncode == 1
    assert "is too old for this code" in done.stderr
    assert "run `stampede migrate` first" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert await db.fetchval("SELECT count(*) FROM booking.migrations") == 1
    await db.close()


def test_migrate_says_what_it_would_do_and_does_it(tmp_path: Path) -> None:
    here = ("--data-dir", str(tmp_path))
    would = start("migrate", "--dry-run", *here)
    assert "booking       0001_initial.sql (expand) would be applied" in would.stdout
    done = start("migrate", "catalog", *here)
    assert "catalog       0001_initial.sql applied" in done.stdout
    assert "booking" not in done.stdout
    rest = start("migrate", *here)
    assert "catalog       up to date" in rest.stdout
    assert "sandbox       0001_initial.sql applied" in rest.stdout
    assert [one.returncode for one in (would, done, rest)] == [0, 0, 0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_a_second_start_has_what_the_first_acknowledged(
    scratch: Path, number: signal.Signals
) -> None:
    directory = scratch / f"again-{number}"
    directory.mkdir()
    with all_in_one(directory, "--no-demo") as platform:
        api = Api(platform.base_url)
        person = await api.register()
        await api.close()
        parent = psutil.Process(platform.processes["up"].pid)
        family = parent.children(recursive=True)
        assert len(family) >= 5
        parent.send_signal(number)
        if number != signal.SIGKILL:
            parent.send_signal(number)  # twice in a row: impatience must lose nothing either
        _, alive = psutil.wait_procs([parent, *family], timeout=30)
        assert not alive, [process.cmdline() for process in alive]
    with all_in_one(directory, "--no-demo") as platform:
        api = Api(platform.base_url)
        me = await api.get("/auth/me", token=person.token)
        await api.close()
        assert (me.status, me.json["email"]) == (200, person.email)
