"""Which processes a cluster on one machine has, and the ports that they take."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from chassis.settings import Settings
from runtime.embedded import ServerPorts
from runtime.services import SERVICES
from runtime.starting import DRAIN_S, StartError, check_port, web_child, worker_child
from runtime.supervisor import Child
from runtime.topology.balancer import SOURCE, balancer_child

OF_EACH_MAX = 9  # processes of a service: a block of ten ports has room for them
LAST_PORT = 65_535 - 88


@dataclass(frozen=True)
class Ports:
    """All ports of a cluster, counted from the public one, where the balancer or the gateways listen.

    The gateways and each service have a block of ten, then come the servers' (runtime.embedded.cluster).
    """

    public: int
    of_each: int
    balanced: bool = False

    def of(self, service: str) -> list[int]:
        if service == "gateway" and not self.balanced:
            # Every gateway listens at the same address (SO_REUSEPORT): the kernel spreads connections
            # over them, and gives none to one that has died.
            return [self.public] * self.of_each
        block = self.public + 10 + 10 * ("gateway", *SERVICES).index(service)
        return [block + number for number in range(self.of_each)]

    def check(self, loaded: Settings) -> None:
        """Raises StartError if one of them is taken, or there is no room for them."""
        if self.public > LAST_PORT:
            raise StartError(
                f"A cluster takes the 89 ports from --port on: choose one up to {LAST_PORT}."
            )
        if self.of_each > OF_EACH_MAX:
            raise StartError(f"A cluster has at most {OF_EACH_MAX} processes of each service.")
        servers = ServerPorts.beside(self.public).all()
        behind = ("gateway", *SERVICES) if self.balanced else SERVICES
        inner = [port for name in behind for port in self.of(name)] + servers
        check_port(loaded)
        for port in inner:
            check_port(msgspec.structs.replace(loaded, host="127.0.0.1", port=port))


def children(loaded: Settings, ports: Ports, haproxy: Path | None = None) -> list[Child]:
    """The services first, then the gateways, the balancer, and the workers; each wave side by side.

    `haproxy`: its program, if it stands before the gateways.
    """
    urls = {
        f"{name}_url": ",".join(f"http://127.0.0.1:{port}" for port in ports.of(name))
        for name in SERVICES
    }
    together = msgspec.structs.replace(
        loaded,
        public_url=loaded.base_url,
        workers=1,
        drain_s=DRAIN_S if loaded.drain_s is None else loaded.drain_s,
        **urls,
    )
    inside = msgspec.structs.replace(together, host="127.0.0.1")
    # Several workers cannot listen on one port, and the gateways show their figures.
    working = msgspec.structs.replace(together, worker_port=None)
    edge, before = together, []
    if haproxy is not None:
        trusted = (*loaded.trusted_proxies, SOURCE)
        edge = msgspec.structs.replace(inside, trusted_proxies=trusted)
        before = [balancer_child(haproxy, together, ports.of("gateway"))]
    return [
        *(child for name in SERVICES for child in _web(inside, name, ports, "services")),
        *_web(edge, "gateway", ports, "gateways"),
        *before,
        *(
            replace(
                worker_child(working),
                name=f"worker-{number}",
                wave="workers",
                counted_with=f"gateway-{ports.public}",  # whose /metrics shows its figures
            )
            for number in range(1, ports.of_each + 1)
        ),
    ]


def _web(loaded: Settings, role: str, ports: Ports, wave: str) -> Iterator[Child]:
    for number, port in enumerate(ports.of(role), 1):
        own = msgspec.structs.replace(loaded, port=port)
        # All gateways count together, whichever of them is asked for /metrics.
        counted = f"gateway-{ports.public}" if role == "gateway" else f"{role}-{port}"
        child = web_child(own, role)
        yield replace(child, name=f"{role}-{number}", wave=wave, counted_with=counted)
