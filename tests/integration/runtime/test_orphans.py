"""Whoever kills a test run is left without its servers."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from runtime.embedded.spawning import wait_gone
from tests.support.servers import ROOT

# Prints the pids of its servers, by one line, and waits for its end.
RUN = """
import sys
from pathlib import Path
import psutil
from tests.support.cluster import RedisCluster
from tests.support.nats import NatsCluster
from tests.support.platform import RunningPlatform, environment
from tests.support.seats import OwnServer
from tests.support.sentinels import Watched
from tests.support.servers import free_port
what, folder = sys.argv[1], Path(sys.argv[2])
if what == "nats":
    kept = NatsCluster(folder)
    for server in kept.servers:
        server.start()
elif what == "platform":
    port = str(free_port())
    kept = RunningPlatform("", folder, environment())
    kept.start("up", "up", "--port", port, "--workers", "1", "--no-demo", ready_port=int(port))
else:
    kept = {"cluster": RedisCluster, "sentinels": Watched, "one": OwnServer}[what](folder)
    kept.start()
print(*(process.pid for process in psutil.Process().children(recursive=True)), flush=True)
sys.stdin.read()
"""
SERVERS = {"cluster": 6, "nats": 3, "sentinels": 5, "one": 1, "platform": 4}  # at least so many
GONE_WITHIN_S = 40.0  # a platform stops its services and servers in order


@pytest.mark.parametrize("what", SERVERS)
def test_a_killed_run_leaves_no_server_of_its_helpers(what: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, what, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        servers = [psutil.Process(int(pid)) for pid in run.stdout.readline().split()]
        run.send_signal(signal.SIGKILL)
    left = servers if not wait_gone(servers, GONE_WITHIN_S) else []
    for server in left:
        server.kill()
    assert left == []
    assert len(servers) >= SERVERS[what]
