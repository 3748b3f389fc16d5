"""CPU seconds and memory of the platform's processes, by kind.

A kind is a set of process trees. A parent's account of its children includes processes that have ended,
so nothing is lost when a backend or a worker comes and goes within the window.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import psutil

KINDS = ("web", "worker", "postgres", "redis")


class Used(msgspec.Struct, frozen=True):
    """CPU seconds since the processes began, and resident bytes now, by kind."""

    cpu_s: dict[str, float]
    rss_bytes: dict[str, int]

    def since(self, before: "Used") -> dict[str, float]:
        return {kind: seconds - before.cpu_s[kind] for kind, seconds in self.cpu_s.items()}


class Accounts:
    """`look()` returns Used. `roots`: process ids of programs; everything that they start belongs to the
    platform."""

    def __init__(self, roots: Sequence[int]) -> None:
        self._roots = roots

    def look(self) -> Used:
        cpu_s, rss_bytes = dict.fromkeys(KINDS, 0.0), dict.fromkeys(KINDS, 0)
        for kind, process in self.processes():
            try:
                times, memory = process.cpu_times(), process.memory_info()
            except psutil.Error:
                continue
            cpu_s[kind] += ran_s(process.pid) or times.user + times.system
            cpu_s[kind] += times.children_user + times.children_system
            rss_bytes[kind] += memory.rss
        return Used(cpu_s, rss_bytes)

    def processes(self) -> list[tuple[str, psutil.Process]]:
        """Every process of a known kind, each once. Children have their parent's kind."""
        found: dict[int, tuple[str, psutil.Process]] = {}
        children = _children()
        for root in self._roots:
            with contextlib.suppress(psutil.Error):
                _walk(psutil.Process(root), None, children, found)
        return list(found.values())


def _children() -> dict[int, list[psutil.Process]]:
    """By their parent's pid: one look at all processes of the machine, which is what costs."""
    found: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter(["ppid"]):
        found.setdefault(process.info["ppid"], []).append(process)
    return found


def _walk(
    process: psutil.Process,
    inherited: str | None,
    children: dict[int, list[psutil.Process]],
    found: dict[int, tuple[str, psutil.Process]],
) -> None:
    try:
        kind = inherited or kind_of(process.cmdline(), process.name())
    except psutil.Error:
        return
    if kind is not None:
        found[process.pid] = (kind, process)
    for child in children.get(process.pid, ()):
        _walk(child, kind, children, found)


def ran_s(pid: int) -> float:
    """The run time of its threads in nanoseconds, where the kernel provides it; else 0.0. The usual
    account counts ticks of 10 ms: too coarse for a window of a few hundred answers."""
    total_ns = 0
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total_ns += int((thread / "schedstat").read_bytes().split()[0])
    except (OSError, IndexError, ValueError):
        return 0.0
    return total_ns / 1e9


def kind_of(command: Sequence[str], name: str) -> str | None:
    """A process's kind by its command line. None for supervisors and the like."""
    words = set(command)
    if words & {"runtime.serving", "loadtest.bench.programs.serve_bare"}:
        return "web"
    if "runtime.worker" in words:
        return "worker"
    if name.startswith("postgres"):
        return "postgres"
    if name.startswith(("valkey", "redis")):
        return "redis"
    return None
