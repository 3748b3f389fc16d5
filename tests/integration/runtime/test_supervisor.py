"""The supervisor with real processes: what it starts, restarts, and ends to the last grandchild."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from runtime.embedded import EmbeddedServers
from tests.support.servers import eventually

ROOT = Path(__file__).resolve().parents[3]

# A child: writes its pid where the test can see it, then does as its name says.
CHILD = """
import os, signal, subprocess, sys, time
name, folder = sys.argv[1:3]
if "stubborn" in name:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "watching" in name:
    from runtime.parent import watch_parent
    assert watch_parent() is not None
if "parent" in name:
    subprocess.Popen([sys.executable, "-c", sys.argv[3], "stubborn-grandchild", folder, ""])
with open(f"{folder}/pids", "a") as pids:
    pids.write(f"{name} {os.getpid()}\\n")
if "broken" in name:
    sys.exit(3)
while True:
    time.sleep(60)
"""

# A supervisor of children with the given names; each event is a line of JSON.
SUPERVISOR = """
import json, os, signal, sys
from pathlib import Path
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
from runtime.embedded import EmbeddedServers
from runtime.supervisor import Child, Supervisor
folder, child, with_servers, *names = sys.argv[1:]

def say(event, facts=None):
    print(json.dumps([event, facts or {}]), flush=True)

def wrote_pid(name):
    pids = Path(folder, "pids")
    return lambda: pids.exists() and f"{name} " in pids.read_text()

beside = {"beside-1": "beside-2", "beside-2": "beside-1"}  # each is ready once the other runs

def children(urls):
    say("planned", {"database": bool(urls and urls.database_url)})
    return [
        Child(name, [sys.executable, "-c", child, name, folder, child], dict(os.environ),
              ready=(lambda: False) if name == "broken" else wrote_pid(beside.get(name, name)),
              stop_timeout_s=0.5, wave="beside" if name in beside else "")
        for name in names
    ]

servers = EmbeddedServers(Path(folder) / "数据 data", on_event=say) if with_servers else None
code = Supervisor(servers, children, on_event=say).run(lambda: say("all_ready"))
say("returned", {"code": code})
sys.exit(code)
"""


@dataclass
class Supervised:
    """A supervisor in a process of its own, and what it told."""

    process: subprocess.Popen[str]
    folder: Path
    events: list[tuple[str, dict[str, object]]]

    def read_until(self, wanted: str) -> dict[str, object]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event, facts = json.loads(line)
            self.events.append((event, facts))
            if event == wanted:
                return dict(facts)
        raise AssertionError(f"ended before {wanted!r}: {self.events}")

    def read_to_end(self) -> int:
        assert self.process.stdout is not None
        self.events += [tuple(json.loads(line)) for line in self.process.stdout]
        return self.process.wait(timeout=30)

    def pids(self, name: str) -> list[int]:
        """Every process that has run under this name, oldest first."""
        path = self.folder / "pids"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(line.split()[1]) for line in lines if line.split()[0] == name]

    def order(self, event: str) -> list[object]:
        return [facts.get("child") for one, facts in self.events if one == event]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    """Starts a supervisor; at the end of the test not one of its processes may be left."""
    folder = tmp_path / "票 务"
    folder.mkdir()
    started: list[Supervised] = []

    def start(*names: str, servers: bool = False) -> Supervised:
        argv = [sys.executable, "-c", SUPERVISOR, str(folder), CHILD, "1" if servers else ""]
        process = subprocess.Popen([*argv, *names], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        started.append(Supervised(process, folder, []))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.terminate()
        one.process.communicate(timeout=30)
    assert eventually(lambda: not related(folder)), related(folder)


def related(folder: Path) -> list[str]:
    """Living processes that work in the folder or were given its path."""
    found = []
    for process in psutil.process_iter():
        try:
            here = Path(process.cwd()).is_relative_to(folder) or str(folder) in process.cmdline()
            if here and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.name()}")
        except (psutil.Error, OSError):
            continue
    return found


def test_children_of_one_wave_start_side_by_side_and_the_next_one_waits_for_all(
    supervise: Callable[..., Supervised],
) -> None:
    one = supervise("first", "beside-1", "beside-2", "last")
    one.read_until("all_ready")
    told = [(event, facts["child"]) for event, facts in one.events if "child" in facts]
    assert told[:4] == [
        ("child_started", "first"),
        ("child_ready", "first"),
        ("child_started", "beside-1"),
        ("child_started", "beside-2"),
    ]
    assert told[6:] == [("child_started", "last"), ("child_ready", "last")]
    one.process.terminate()
    assert one.read_to_end() == 0
    assert one.order("child_stopped") == ["last", "beside-1", "beside-2", "first"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_asked_stop_ends_children_in_reverse_order(
    supervise: Callable[..., Supervised], signum: signal.Signals
) -> None:
    one = supervise("first", "second")
    one.read_until("all_ready")
    assert one.order("child_started") == ["first", "second"]
    one.process.send_signal(signum)
    assert one.read_to_end() == 0
    assert one.order("child_stopped") == ["second", "first"]


def test_two_signals_in_a_row_lose_nothing_and_leave_no_orphans(
    supervise: Callable[..., Supervised], tmp_path: Path
) -> None:
    one = supervise("stubborn-parent", "parent", servers=True)
    one.read_until("all_ready")
    assert eventually(lambda: len(one.pids("stubborn-grandchild")) == 2)
    assert len(related(one.folder)) > 6
    one.process.terminate()
    one.read_until("stopping")
    one.process.terminate()
    one.process.send_signal(signal.SIGINT)
    assert one.read_to_end() == 0
    assert related(one.folder) == []
    assert one.order("child_killed") == ["stubborn-parent"]
    stopped = [facts["server"] for event, facts in one.events if event == "server_stopped"]
    assert stopped == ["valkey", "postgres"]
    log = (one.folder / "数据 data/logs/postgres.log").read_text()
    assert "database system is shut down" in log, "an orderly shutdown in spite of all"


def test_dead_child_is_restarted_and_its_remnants_killed(
    supervise: Callable[..., Supervised],
) -> None:
    one = supervise("parent")
    one.read_until("all_ready")
    assert eventually(lambda: len(one.pids("stubborn-grandchild")) == 1)
    (orphan,) = one.pids("stubborn-grandchild")
    os.kill(one.pids("parent")[0], signal.SIGKILL)
    died = one.read_until("child_died")
    assert died == {"child": "parent", "exit": -9, "restart_in_s": 0.2}
    assert f"{orphan} " not in "".join(related(one.folder))
    one.read_until("child_started")
    assert eventually(lambda: len(one.pids("parent")) == 2)
    os.kill(one.pids("parent")[1], signal.SIGKILL)
    assert one.read_until("child_died")["restart_in_s"] == 0.4
    one.process.terminate()
    assert one.read_to_end() == 0


def test_child_that_never_starts_ends_the_run(supervise: Callable[..., Supervised]) -> None:
    one = supervise("first", "broken")
    assert one.read_to_end() == 1
    assert one.order("child_gave_up") == ["broken"]
    assert len(one.pids("broken")) == 5
    assert one.order("child_stopped")[-1] == "first"


@pytest.mark.parametrize("name", ["plain", "watching"])
def test_killed_supervisor_takes_everything_with_it(
    supervise: Callable[..., Supervised], name: str
) -> None:
    one = supervise(name, servers=True)
    one.read_until("all_ready")
    one.process.kill()
    one.process.wait(timeout=10)
    assert eventually(lambda: not related(one.folder)), related(one.folder)
    again = EmbeddedServers(one.folder / "数据 data")
    again.start()
    again.stop()


def test_parent_pipe_alone_ends_a_child(tmp_path: Path) -> None:
    """What remains where the kernel does not tell children of a death."""
    reader, writer = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, "watching", str(tmp_path)],
        env=os.environ | {"STAMPEDE_PARENT_FD": str(reader)},
        pass_fds=[reader],
        cwd=ROOT,
    )
    os.close(reader)
    assert eventually((tmp_path / "pids").exists)
    assert child.poll() is None
    os.close(writer)
    assert child.wait(timeout=10) == -signal.SIGTERM


def test_signal_during_the_first_start_stops_it(supervise: Callable[..., Supervised]) -> None:
    one = supervise("first", servers=True)
    assert eventually((one.folder / "数据 data/servers.lock").exists)
    one.process.terminate()
    assert one.read_to_end() == 0
    assert one.order("child_started") == []
    assert related(one.folder) == []


def test_killed_server_is_restarted(supervise: Callable[..., Supervised]) -> None:
    one = supervise("first", servers=True)
    pid = one.read_until("server_ready")["pid"]
    one.read_until("all_ready")
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)
    assert one.read_until("server_died")["exit"] == -9
    assert one.read_until("server_ready")["pid"] != pid
    one.process.terminate()
    assert one.read_to_end() == 0
