"""PostgreSQL and Valkey from their wheels, as children of this process, on unix sockets only.

    servers = EmbeddedServers(Path(".stampede"))
    urls = servers.start()      # the caller then calls poll() about once a second
    servers.stop()

ClusterServers is the same for `--topology cluster`: a PostgreSQL pair, Valkey and NATS clusters on loopback.
One living process owns a data directory. `running_urls` tells others where its servers listen. No service
imports this: a service gets URLs and does not know who runs the servers.
"""

from runtime.embedded.cluster import ClusterServers, ServerPorts, has_cluster
from runtime.embedded.errors import EmbeddedError, StartCancelled
from runtime.embedded.ownership import ServerUrls, running_urls
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
