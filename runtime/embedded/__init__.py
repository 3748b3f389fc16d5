"""PostgreSQL and Valkey from their wheels, as children of this process, on unix sockets only.

    servers = EmbeddedServers(Path(".stampede"))
    urls = servers.start()      # the caller then calls poll() about once a second
    servers.stop()

ClusterServers is the same for `--topology cluster`: a PostgreSQL pair, Valkey and NATS clusters on loopback.
One living process owns a data directory. `running_urls` tells others where its servers listen. No service
imports this: a service gets URLs and does not know who runs the servers.
"""

from typing import TYPE_CHECKING

from runtime.embedded.errors import EmbeddedError, StartCancelled
from runtime.embedded.ownership import ServerUrls, has_cluster, running_urls

if TYPE_CHECKING:
    from runtime.embedded.cluster import ClusterServers, ServerPorts
    from runtime.embedded.servers import EmbeddedServers

__all__ = [
    "ClusterServers",
    "EmbeddedError",
    "EmbeddedServers",
    "ServerPorts",
    "ServerUrls",
    "StartCancelled",
    "has_cluster",
    "running_urls",
]


def __getattr__(name: str) -> object:
    """Loads what runs servers where it is asked for: most processes only ask where they are."""
    if name == "EmbeddedServers":
        from runtime.embedded import servers  # noqa: PLC0415

        return servers.EmbeddedServers
    if name in {"ClusterServers", "ServerPorts"}:
        from runtime.embedded import cluster  # noqa: PLC0415

        return getattr(cluster, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
