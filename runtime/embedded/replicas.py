"""Copies of a running PostgreSQL server: made anew, or from an old primary that is turned back."""

import shutil
import signal
from dataclasses import replace
from pathlib import Path

from runtime.embedded.account import let_reach, let_run, make_folder
from runtime.embedded.errors import EmbeddedError
from runtime.embedded.postgres import PORT, SUPERUSER
from runtime.embedded.process import ServerSpec, launch
from runtime.embedded.spawning import kill_group, wait_for_exit
from runtime.embedded.wheel import PROGRAMS

COPY_TIMEOUT_S = 600.0


def base_backup(spec: ServerSpec, source: Path, *, slot: str) -> None:
    """Replaces the spec's folder by a copy of the server whose socket is in `source`."""
    shutil.rmtree(spec.folder, ignore_errors=True)
    args = ["-h", str(source), "-p", str(PORT), "-U", SUPERUSER]
    args += ["-D", str(spec.folder), "-X", "stream", "-S", slot, "-c", "fast"]
    if not _run(spec, "pg_basebackup", args):
        raise EmbeddedError(f"PostgreSQL's pg_basebackup failed in {spec.folder}: see {spec.log}.")


def rewind(spec: ServerSpec, source: Path) -> bool:
    """Turns a stopped old primary back to where the server in `source` parted from it, and copies what has
    changed there since. False if its log does not reach back so far."""
    where = f"host={source} port={PORT} user={SUPERUSER} dbname=postgres"
    return _run(spec, "pg_rewind", ["-D", str(spec.folder), f"--source-server={where}"])


def last_timeline(spec: ServerSpec) -> int:
    """The timeline of the last promotion that the stopped server knows."""
    histories = (spec.folder / "pg_wal").glob("*.history")
    return max((int(path.stem, 16) for path in histories), default=1)


def _run(spec: ServerSpec, program: str, args: list[str]) -> bool:
    """True if it ended well within COPY_TIMEOUT_S. Its output goes to the server's log."""
    let_run(PROGRAMS / program, spec.account)
    let_reach(spec.folder, spec.account)
    make_folder(spec.folder, spec.account)
    running = launch(replace(spec, program=PROGRAMS / program), signal.SIGKILL, args)
    try:
        finished = wait_for_exit(running, COPY_TIMEOUT_S)
    finally:
        kill_group(running.pid)
        running.wait()
    return finished and running.returncode == 0
