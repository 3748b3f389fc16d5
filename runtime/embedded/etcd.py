"""One etcd on loopback, in which Patroni keeps who is primary (runtime.embedded.patroni).

One is enough on one machine: three would die with it all the same. While it is away the primary goes on, as
Patroni's `failsafe_mode` lets it, and nobody can be promoted.
"""

import contextlib
import http.client
import shutil
import signal
from pathlib import Path

import msgspec

from runtime.embedded.account import Account
from runtime.embedded.errors import EmbeddedError
from runtime.embedded.process import ServerSpec

NAME = "etcd"
STOP_STEPS = ((signal.SIGTERM, 5.0),)
PROBE_TIMEOUT_S = 0.5
SET_UP_TIMEOUT_S = 10.0
USER = "root"  # etcd allows passwords only if there is one of this name


def find_etcd() -> Path | None:
    """None: not installed."""
    found = shutil.which("etcd")
    return Path(found).resolve() if found else None


def etcd_spec(
    program: Path, folder: Path, log: Path, account: Account | None, *, client: int, peer: int
) -> ServerSpec:
    """`client` and `peer`: its ports. The data know their member by its name, so ports may change."""
    own, others = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    args = ["--name", NAME, "--data-dir", str(folder / "data"), "--logger", "zap"]
    args += ["--listen-client-urls", own, "--advertise-client-urls", own]
    args += ["--listen-peer-urls", others, "--initial-advertise-peer-urls", others]
    args += ["--initial-cluster", f"{NAME}={others}", "--auto-compaction-retention", "1"]
    return ServerSpec(
        name=NAME,
        program=program,
        args=args,
        folder=folder,
        log=log,
        account=account,
        ready=lambda _pid: _is_healthy(client),
        pid_file=folder
        / "etcd.pid",  # it writes none: what is left over is killed, which it survives
        stale=[],
        stop_steps=STOP_STEPS,
        remedy=f"see {log}",
    )


def require_password(port: int, password: str) -> None:
    """From now on only who knows it gets in, as USER: who may write here decides what PostgreSQL runs.

    Raises EmbeddedError if etcd refuses.
    """
    for path, said in (
        ("user/add", {"name": USER, "password": password}),
        ("role/add", {"name": USER}),
        ("user/grant", {"user": USER, "role": USER}),
        ("enable", {}),
    ):
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=SET_UP_TIMEOUT_S)
        with contextlib.closing(asked):
            asked.request("POST", f"/v3/auth/{path}", msgspec.json.encode(said))
            answer = asked.getresponse()
            if answer.status != 200:
                raise EmbeddedError(f"etcd refuses a password ({answer.read().decode()[:200]}).")


def _is_healthy(port: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT_S)
        with contextlib.closing(asked):
            asked.request("GET", "/health")
            answer = asked.getresponse()
            return answer.status == 200 and b'"true"' in answer.read()
    return False
