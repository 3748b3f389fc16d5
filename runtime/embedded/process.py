"""One server process: started, watched, restarted when it dies, and stopped in steps."""

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from runtime.embedded.account import Account
from runtime.embedded.log_files import keep_bounded, open_log
from runtime.embedded.spawning import (
    KILLED_WITHIN_S,
    Backoff,
    OnEvent,
    tethered,
    wait_for_exit,
    wait_gone,
)

NOT_INHERITED = ("PG", "LC_", "PATRONI_", "ETCD_")


@dataclass(frozen=True)
class ServerSpec:
    """How to run one server in `folder`, its working directory, which no other program uses.

    `stop_steps` are signals of increasing severity, each with its seconds; SIGKILL follows.
    The first line of `pid_file` is the main process's pid.
    `stale` files are leftovers if no process runs.
    `remedy` says what to do if the server does not start.
    """

    name: str
    program: Path
    args: Sequence[str]
    folder: Path
    log: Path
    account: Account | None
    ready: Callable[[int], bool]
    pid_file: Path
    stale: Sequence[Path]
    stop_steps: Sequence[tuple[signal.Signals, float]]
    remedy: str


class ServerProcess:
    def __init__(self, spec: ServerSpec, on_event: OnEvent) -> None:
        self.spec = spec
        self._on_event = on_event
        self._process: subprocess.Popen[bytes] | None = None
        self._backoff = Backoff()
        self._announced = False

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    @property
    def launched(self) -> bool:
        """True from `launch` to `stop`, though it may have died."""
        return self._process is not None

    def take_over(self) -> None:
        """Ends what an earlier owner left running here. May take as long as the stop steps."""
        for signum, grace_s in self.spec.stop_steps:
            left = processes_in(self.spec.folder, self.spec.program.name)
            main = [one for one in left if one.pid == first_line_pid(self.spec.pid_file)]
            if not main:
                break
            self._on_event("server_left_over", {"server": self.spec.name, "pid": main[0].pid})
            _signal(main, signum)
            wait_gone(left, grace_s)
        self._kill_remains()

    def launch(self) -> None:
        """Starts it. It is ready some time later. Raises OSError if the system refuses."""
        for path in self.spec.stale:
            path.unlink(missing_ok=True)
        self._process = launch(self.spec, self.spec.stop_steps[0][0], self.spec.args)
        self._backoff.started()
        self._announced = False

    def ready(self) -> bool:
        """True if it accepts connections. Emits one event when it first does."""
        pid = self.pid
        if pid is None or not (self._announced or self.spec.ready(pid)):
            return False
        if not self._announced:
            self._announced = True
            self._on_event("server_ready", {"server": self.spec.name, "pid": pid})
        return True

    def poll(self) -> None:
        """Restarts it, with backoff, if it died. Does not wait until it is ready. Bounds its log."""
        if self._process is None:
            return
        keep_bounded(self.spec.log)
        if self.pid is not None:
            self.ready()
            return
        if not self._backoff.waiting:
            self._count_death(self._process.returncode)
        if self._backoff.due():
            try:
                self._kill_remains()
                self.launch()
            except OSError as error:  # no memory, or no processes left: tries again later
                self._count_death(str(error))

    def ask_stop(self) -> None:
        if self.pid is not None:
            _signal([psutil.Process(self.pid)], self.spec.stop_steps[0][0])

    def stop(self) -> None:
        """Returns when it and all its own processes have ended. Idempotent."""
        process = self._process
        if process is None:
            return
        for signum, grace_s in self.spec.stop_steps:
            if process.poll() is None:
                process.send_signal(signum)
                wait_for_exit(process, grace_s)
        if process.poll() is None:
            process.kill()
            wait_for_exit(process, KILLED_WITHIN_S)
        self._kill_remains()
        self._process = None
        self._on_event("server_stopped", {"server": self.spec.name})

    def last_words(self) -> str:
        """The last line of its log that explains why it did not start."""
        return last_words(self.spec.log)

    def _count_death(self, how: object) -> None:
        delay_s = self._backoff.died()
        facts = {"server": self.spec.name, "exit": how, "restart_in_s": delay_s}
        self._on_event("server_died", facts)

    def _kill_remains(self) -> None:
        """PostgreSQL's processes may outlive a killed postmaster and prevent the start of a new one.

        Their work was either not acknowledged or is in the write-ahead log, from which recovery
        continues.
        """
        kill_in(self.spec.folder, self.spec.program.name)


def last_words(log: Path, telling: Sequence[str] = ("FATAL", "PANIC", "# ")) -> str:
    """The last of a log's last lines that has one of these words, or the last line; empty without a log."""
    with suppress(OSError):
        lines = log.read_text("utf-8", "replace").splitlines()[-40:]
        found = [line for line in lines if any(word in line for word in telling)]
        return (found or lines or [""])[-1].strip()
    return ""


def launch(
    spec: ServerSpec, death_signal: signal.Signals, args: Sequence[str]
) -> subprocess.Popen[bytes]:
    """Starts the spec's program in its folder, in its own session, with its output in its log.

    The machine's time zone, language and settings for other servers do not affect it.
    """
    env = {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}
    env |= {"TZ": "UTC", "LC_ALL": "C", "LANG": "C"}
    with open_log(spec.log, spec.account) as log:
        return subprocess.Popen(
            tethered([str(spec.program), *args], death_signal, spec.account),
            cwd=spec.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # we handle Ctrl-C at the terminal
            umask=0o077,
        )


def processes_in(folder: Path, program: str) -> list[psutil.Process]:
    """Living processes named `program` with the working directory `folder`."""
    found = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] != program:
            continue
        with suppress(psutil.Error, OSError):  # ended meanwhile, or another user's
            if Path(process.cwd()) == folder:
                found.append(process)
    return found


def kill_in(folder: Path, program: str) -> None:
    """Sends SIGKILL to what `processes_in` finds, and waits until it has ended."""
    left = processes_in(folder, program)
    _signal(left, signal.SIGKILL)
    wait_gone(left, KILLED_WITHIN_S)


def first_line_pid(path: Path) -> int | None:
    """The pid in a pid file. None if there is none."""
    try:
        return int(path.read_bytes().split(b"\n", 1)[0])
    except (OSError, ValueError):
        return None


def _signal(processes: Sequence[psutil.Process], signum: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signum)
