"""Runs named processes in order, restarts them when they die, and ends all of them.

Each child leads its own process group. So Ctrl-C at the terminal reaches only the supervisor, and a
child's own children end with it. When the supervisor dies, in whatever way, its children end too. On
Linux the kernel does this. On all systems a child that calls `runtime.parent.watch_parent` ends, because
the pipe that it reads is then closed.
"""

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Protocol

from chassis.settings import METRICS_DIR
from runtime.embedded import ServerUrls, StartCancelled
from runtime.embedded.spawning import (
    KILLED_WITHIN_S,
    Backoff,
    OnEvent,
    kill_group,
    telling,
    tethered,
    wait_for_exit,
)
from runtime.metrics_files import metrics_root
from runtime.parent import PARENT_FD

TICK_S = 0.2
FAILED_STARTS_MAX = 5  # a child that was never ready is misconfigured
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# To the supervisor: children that can replace their processes do so, and no connection is refused.
RELOAD_SIGNAL = signal.SIGUSR1


@dataclass(frozen=True)
class Child:
    """A process to run. `env` is its whole environment. `ready` answers within a second or so.

    The next child starts when `ready()` is true (None: at once). Neighbours of one `wave` start side by
    side, and stop so. On stop it gets SIGTERM (after Ctrl-C, SIGINT), and after `stop_timeout_s` seconds its
    whole process group gets SIGKILL. On RELOAD_SIGNAL it gets `reload_signal` and replaces its own processes
    (None: it gets no signal). Children of one `counted_with` write their metrics into one directory, and any
    of them shows the sum.
    """

    name: str
    argv: list[str]
    env: dict[str, str]
    ready: Callable[[], bool] | None = None
    stop_timeout_s: float = 10.0
    reload_signal: signal.Signals | None = None
    wave: str = ""
    counted_with: str = ""


class Servers(Protocol):
    """EmbeddedServers, or what stands in for them."""

    def start(self, should_stop: Callable[[], bool] = ...) -> ServerUrls: ...
    def poll(self) -> None: ...
    def stop(self) -> None: ...


Children = Sequence[Child] | Callable[[ServerUrls | None], Sequence[Child]]


class Supervisor:
    """Starts the servers first, then the children in order. Ends all in reverse order.

    `children` may be a function of the servers' URLs. It is called when the servers are ready, with the
    supervisor's signal handlers in place, and may be slow (it may migrate a database). `each_tick` is
    called several times a second while children run. `drains`: False if nobody is left to serve when all
    end, so that children need not wait for callers to leave.

    Events: child_started, child_ready, child_died, child_gave_up, child_killed, child_stopped,
    child_reloaded (each names its `child`), stopping.
    """

    def __init__(
        self,
        servers: Servers | None,
        children: Children,
        *,
        on_event: OnEvent | None = None,
        each_tick: Callable[[], None] | None = None,
        drains: bool = True,
    ) -> None:
        self._servers = servers
        self._children = children
        self._each_tick = each_tick
        self._drains = drains
        self._on_event = telling(on_event)
        self._running: list[_Running] = []
        self._stop_signal: int | None = None
        self._reload_asked = False
        self._wakeup_fd = -1

    def run(self, on_ready: Callable[[], None]) -> int:
        """Blocks in the main thread until SIGINT, SIGTERM or SIGHUP, or until a child cannot start.

        Calls `on_ready` once, when every child is ready. Returns 0 if asked to stop, 1 if a child gave up
        before it was ever ready. In both cases nothing that it started is left running. More signals
        during the stop change nothing. Raises EmbeddedError if the servers cannot run.
        """
        with self._signals(), _parent_pipe() as parent_fd, metrics_root() as root:
            try:
                return self._run(on_ready, parent_fd, root)
            except StartCancelled:
                return 0
            finally:
                self._stop()

    def _run(self, on_ready: Callable[[], None], parent_fd: int, metrics: Path) -> int:
        urls = self._servers.start(self._asked) if self._servers is not None else None
        children = self._children(urls) if callable(self._children) else self._children
        counted = [_counting(one, metrics) for one in children]
        for wave in _waves([_Running(one, parent_fd, self._on_event) for one in counted]):
            if self._asked():
                return 0
            self._running += wave
            for running in wave:
                running.launch()
            while len([running for running in wave if running.is_ready()]) < len(wave):
                if self._asked():
                    return 0
                for running in wave:
                    if running.failed_starts >= FAILED_STARTS_MAX:
                        self._on_event("child_gave_up", {"child": running.child.name})
                        return 1
                self._tick()
        if not self._asked():
            on_ready()
        while not self._asked():
            self._tick()
        return 0

    @property
    def pids(self) -> dict[str, int | None]:
        """Each child's main process. None while it waits for its restart."""
        return {one.child.name: one.pid for one in self._running}

    def kill(self, name: str) -> None:
        """Kills a child with all its processes. It is restarted, as after any death."""
        self._find(name).kill()

    def replace(self, name: str) -> None:
        """Lets a child replace its processes; one that cannot is ended in order and started again."""
        self._find(name).replace()

    def is_ready(self, name: str) -> bool:
        running = self._find(name)
        return running.pid is not None and (not running.child.ready or running.child.ready())

    def _find(self, name: str) -> "_Running":
        return next(one for one in self._running if one.child.name == name)

    def _asked(self) -> bool:
        return self._stop_signal is not None

    def _tick(self) -> None:
        """Sleeps until a signal or the next check, then checks all processes."""
        if select.select([self._wakeup_fd], [], [], TICK_S)[0]:
            with suppress(BlockingIOError):
                os.read(self._wakeup_fd, 4096)
        if self._asked():
            return
        if self._reload_asked:
            self._reload_asked = False
            for running in self._running:
                running.reload()
        for running in self._running:
            running.poll()
        if self._servers is not None:
            self._servers.poll()
        if self._each_tick is not None:
            self._each_tick()

    def _stop(self) -> None:
        asked = self._stop_signal
        self._on_event("stopping", {"signal": asked})
        try:
            for wave in reversed(_waves(self._running)):
                for running in wave:
                    running.ask_stop(at_once=not self._drains or asked == signal.SIGINT)
                for running in wave:
                    running.stop()
        finally:
            if self._servers is not None:
                self._servers.stop()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals are recorded and wake the loop. They interrupt nothing halfway."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._wakeup_fd = reader
        old_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        heeded = [one for one in STOP_SIGNALS if not _under_nohup(one)]
        old = {one: signal.signal(one, self._note) for one in heeded}
        old[RELOAD_SIGNAL] = signal.signal(RELOAD_SIGNAL, self._note_reload)
        # An empty handler, so that a child's death wakes the loop too.
        old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
        try:
            yield
        finally:
            for signum, handler in old.items():
                signal.signal(signum, handler)
            signal.set_wakeup_fd(old_fd)
            os.close(reader)
            os.close(writer)

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        self._stop_signal = signum

    def _note_reload(self, _signum: int, _frame: FrameType | None) -> None:
        self._reload_asked = True


class _Running:
    """A child and its current process."""

    def __init__(self, child: Child, parent_fd: int, on_event: OnEvent) -> None:
        self.child = child
        self.failed_starts = 0
        self._parent_fd = parent_fd
        self._on_event = on_event
        self._process: subprocess.Popen[bytes] | None = None
        self._backoff = Backoff()
        self._was_ready = False
        self._replaced = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._alive() else None

    def launch(self) -> None:
        env = self.child.env | {PARENT_FD: str(self._parent_fd)}
        self._backoff.started()
        try:
            self._process = subprocess.Popen(
                tethered(self.child.argv, signal.SIGTERM),
                env=env,
                stdin=subprocess.DEVNULL,
                pass_fds=[self._parent_fd],
                start_new_session=True,
            )
        except OSError as error:  # no memory for now
            self._process = None
            self._count_death(str(error))
            return
        self._on_event("child_started", {"child": self.child.name, "pid": self._process.pid})

    def is_ready(self) -> bool:
        if not self._was_ready and self._alive() and (not self.child.ready or self.child.ready()):
            self._was_ready = True
            self._on_event("child_ready", {"child": self.child.name})
        return self._was_ready

    def poll(self) -> None:
        """Restarts it, with backoff, if it died. Kills its leftovers first."""
        if self._alive():
            return
        if self._replaced and self._process is not None:
            kill_group(self._process.pid)
            self._replaced = False
            self.launch()
            return
        if not self._backoff.waiting and self._process is not None:
            kill_group(self._process.pid)
            self._count_death(self._process.returncode)
        if self._backoff.due():
            self.launch()

    def reload(self) -> None:
        signum = self.child.reload_signal
        if signum is not None and self._process is not None and self._alive():
            self._process.send_signal(signum)
            self._on_event("child_reloaded", {"child": self.child.name})

    def replace(self) -> None:
        if self.child.reload_signal is not None:
            self.reload()
        elif self._process is not None and self._alive():
            self._replaced = True
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None and self._alive():
            kill_group(self._process.pid)

    def ask_stop(self, *, at_once: bool) -> None:
        """`at_once`: it need not drain."""
        if self._process is not None and self._alive():
            self._process.send_signal(signal.SIGINT if at_once else signal.SIGTERM)

    def stop(self) -> None:
        """Returns when its whole group has ended. `ask_stop` comes first."""
        process = self._process
        if process is None:
            return
        if not wait_for_exit(process, self.child.stop_timeout_s):
            self._on_event("child_killed", {"child": self.child.name})
        kill_group(process.pid)
        wait_for_exit(process, KILLED_WITHIN_S)
        self._process = None
        facts = {"child": self.child.name, "exit": process.returncode}
        self._on_event("child_stopped", facts)

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _count_death(self, how: object) -> None:
        if not self._was_ready:
            self.failed_starts += 1
        delay_s = self._backoff.died()
        facts = {"child": self.child.name, "exit": how, "restart_in_s": delay_s}
        self._on_event("child_died", facts)


def _waves(running: Sequence[_Running]) -> list[list[_Running]]:
    """Neighbours of one wave together, every other child alone."""
    return [
        wave
        for name, group in groupby(running, key=lambda one: one.child.wave)
        for wave in ([list(group)] if name else [[one] for one in group])
    ]


def _counting(child: Child, root: Path) -> Child:
    if not child.counted_with:
        return child
    directory = root / child.counted_with
    directory.mkdir(exist_ok=True)
    return replace(child, env=child.env | {METRICS_DIR: str(directory)})


def _under_nohup(signum: signal.Signals) -> bool:
    """True under `nohup`. A shell's `&` also makes us ignore SIGINT, but that is not intended."""
    return signum is signal.SIGHUP and signal.getsignal(signum) is signal.SIG_IGN


@contextmanager
def _parent_pipe() -> Iterator[int]:
    """The end of a pipe that children read. The other end closes when this process ends."""
    reader, writer = os.pipe()
    try:
        yield reader
    finally:
        os.close(reader)
        os.close(writer)
