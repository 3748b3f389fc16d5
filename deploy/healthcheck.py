"""Says by its exit code whether the role that this container runs is alive. For Docker and Kubernetes.

A service answers its health probe. The worker has no port: its process must be there. A command that ends
by itself (`migrate`, `audit`) is alive while it runs. Needs the standard library only, so it starts fast.
"""

import http.client
import os
import sys
from pathlib import Path

PROC = Path("/proc")
TIMEOUT_S = 2.0
PORTS = {  # as in runtime/services.py, which loads a lot more
    "gateway": 8000,
    "identity": 8001,
    "catalog": 8002,
    "booking": 8003,
    "notification": 8004,
    "sandbox": 8005,
}


def words(process: Path) -> list[str]:
    """The command line of a process. Empty if it has just ended."""
    try:
        return (process / "cmdline").read_text(encoding="utf-8").split("\0")
    except OSError:
        return []


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def is_alive(command: list[str], proc: Path = PROC) -> bool:
    """`command`: of the container's first process. `proc`: where the processes are listed."""
    if "serve" in command:
        role = command[command.index("serve") + 1]
        set_port = os.environ.get("STAMPEDE_PORT", "")
        port = int(set_port) if set_port.isdigit() else 8000
        return answers(PORTS[role] if port == PORTS["gateway"] else port)
    if "worker" in command:
        return any("runtime.worker" in words(process) for process in proc.glob("[0-9]*"))
    return True


if __name__ == "__main__":
    sys.exit(0 if is_alive(words(PROC / "1")) else 1)
