"""HAProxy before the gateways of a cluster on this machine, where it is installed.

It ends with the other processes, and is started again when it dies. What it answers by itself has the form of
all our errors (RFC 9457).
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from string import Template

from chassis.problems import CONTENT_TYPE, Problem, Unavailable
from chassis.settings import Network, Settings, inherited_environ
from runtime.serving import CONNECTIONS_MAX, is_up
from runtime.starting import StartError
from runtime.supervisor import Child

NAME = "haproxy"
FILE = "haproxy.cfg"  # in the data directory
TEMPLATE = Path(__file__).with_name("haproxy.txt")
CHECK_TIMEOUT_S = 10.0
# HAProxy calls the gateways from an address of its own, and they believe nobody else whom it speaks for.
# Only Linux gives each program all of 127.0.0.0/8.
SOURCE: Network = ip_network("127.0.0.66" if sys.platform == "linux" else "127.0.0.1")
LOST = "The answer to this request was lost: repeat it, a change with the same Idempotency-Key."


def choose_haproxy(asked: str) -> Path | None:
    """The program if HAProxy shall stand before the gateways. `asked` is auto, haproxy or none.

    Raises StartError if it is asked for and not installed.
    """
    if asked == "none":
        return None
    found = shutil.which(NAME) or shutil.which(NAME, path="/usr/sbin:/usr/local/sbin")
    if found is None and asked == NAME:
        raise StartError(
            "HAProxy was asked for, but it is not installed: install it (Debian: haproxy), or say"
            " --balancer none."
        )
    return Path(found).resolve() if found else None


def balancer_child(program: Path, loaded: Settings, gateways: Sequence[int]) -> Child:
    """HAProxy as a process of the supervisor, at the public address. `gateways`: their ports.

    Writes its configuration. Raises StartError if this HAProxy does not accept it.
    """
    path = loaded.data_dir.absolute() / FILE
    path.write_text(configuration(loaded, gateways))
    checked = subprocess.run(
        [program, "-c", "-q", "-f", path],
        capture_output=True,
        timeout=CHECK_TIMEOUT_S,
        check=False,
    )
    if checked.returncode:
        said = checked.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise StartError(
            f"{program} does not accept {path} ({said}): install version 2.6 or newer, or say"
            " --balancer none."
        )
    return Child(
        name=NAME,
        argv=[str(program), "-db", "-q", "-f", str(path)],
        env=inherited_environ(),
        ready=lambda: is_up(loaded),
    )


def configuration(loaded: Settings, gateways: Sequence[int]) -> str:
    """HAProxy's configuration file."""
    trusted = " ".join(map(str, loaded.trusted_proxies))
    host = f"[{loaded.host}]" if ":" in loaded.host else loaded.host
    return Template(TEMPLATE.read_text()).substitute(
        connections_max=CONNECTIONS_MAX,
        bind=f"{host}:{loaded.port}",
        unless_trusted=f" unless {{ src {trusted} }}" if trusted else "",
        source=SOURCE.network_address,
        errors="\n".join(_errors()),
        gateways="\n".join(
            f"    server gateway-{number} 127.0.0.1:{port} check"
            for number, port in enumerate(gateways, 1)
        ),
    )


def _errors() -> list[str]:
    """What it answers where no gateway has. What is no HTTP gets its bare 400 or 408, as from the gateway."""
    return [
        *(_error(status, Unavailable(LOST)) for status in (502, 504)),
        _error(503, Unavailable()),
    ]


def _error(status: int, problem: Problem) -> str:
    body = problem.render("%[var(txn.path),json(utf8s)]", "%[var(txn.id)]").decode()
    headers = {"X-Request-Id": "%[var(txn.id)]", "Cache-Control": "no-store", **problem.headers}
    said = " ".join(f"hdr {name} '{value}'" for name, value in headers.items())
    return f"    http-error status {status} content-type {CONTENT_TYPE} lf-string '{body}' {said}"
