"""Starts processes that do not outlive this one, and restarts them with backoff."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from runtime.embedded.account import Account

OnEvent = Callable[[str, dict[str, object]], None]
TETHER = Path(__file__).with_name("tether.py")
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 5.0
STEADY_S = 30.0  # after this long, the next death is counted anew
KILLED_WITHIN_S = 5.0  # a killed process ends at once, unless the kernel holds it in I/O
PROBE_INTERVAL_S = 0.01


def tethered(
    argv: Sequence[str], death_signal: signal.Signals, account: Account | None = None
) -> list[str]:
    """The argv that runs `argv` as `account` and sends it `death_signal` when this process dies.

    The kernel's signal follows the *thread* that forked. So off the main thread none is requested: the
    end of a helper thread must not end a server. Outside Linux there is no such signal.
    `runtime.parent.watch_parent` and the clean-up of the next start do its work.
    """
    on_main = threading.current_thread() is threading.main_thread()
    who = (str(account.uid), str(account.gid)) if account else ("-", "-")
    signum = str(int(death_signal)) if on_main else "0"
    return [sys.executable, "-I", "-S", str(TETHER), signum, str(os.getpid()), *who, *argv]


def telling(on_event: OnEvent | None) -> OnEvent:
    """`on_event`, made safe: a closed terminal must not prevent the end of the processes."""

    def tell(event: str, facts: dict[str, object]) -> None:
        if on_event is not None:
            with suppress(OSError):
                on_event(event, facts)

    return tell


def kill_group(pgid: int) -> None:
    """Sends SIGKILL to a process group and waits until it is gone (a few seconds at most)."""
    with suppress(ProcessLookupError, PermissionError):  # macOS returns EPERM for zombies
        os.killpg(pgid, signal.SIGKILL)
        wait_gone([one for one in psutil.process_iter() if _group_of(one) == pgid], KILLED_WITHIN_S)


def wait_gone(processes: Sequence[psutil.Process], timeout_s: float) -> bool:
    """True if all ended within `timeout_s`.

    A zombie counts as ended: its new parent (a container's first process) may never reap it.
    """
    give_up = time.monotonic() + timeout_s
    while any(_alive(one) for one in processes):
        if time.monotonic() > give_up:
            return False
        time.sleep(PROBE_INTERVAL_S)
    return True


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _group_of(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except OSError:
        return None


def wait_for_exit(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """True if the process ended (and was reaped) within `timeout_s`."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout_s)
        return True
    return False


class Backoff:
    """When a process that keeps dying may be restarted: after 0.2 s, doubling up to 5 s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._delay_s = BACKOFF_FIRST_S
        self._started_at = clock()
        self._not_before: float | None = None

    def started(self) -> None:
        self._started_at = self._clock()
        self._not_before = None

    def died(self) -> float:
        """Counts a death. Returns the seconds until `due`."""
        if self._clock() - self._started_at >= STEADY_S:
            self._delay_s = BACKOFF_FIRST_S
        delay_s, self._delay_s = self._delay_s, min(self._delay_s * 2, BACKOFF_MAX_S)
        self._not_before = self._clock() + delay_s
        return delay_s

    @property
    def waiting(self) -> bool:
        """True if a death was counted and no start since."""
        return self._not_before is not None

    def due(self) -> bool:
        return self._not_before is not None and self._clock() >= self._not_before
