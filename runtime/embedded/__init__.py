"""PostgreSQL and Valkey from their wheels, as children of this process, on unix sockets only.

    servers = EmbeddedServers(Path(".stampede"))
    urls = servers.start()      # the caller then calls poll() about once a second
    servers.stop()

One living process owns a data directory. `running_urls` tells others where its servers listen. No service
imports this: a service gets URLs and does not know who runs the servers.
"""

from runtime.embedded.errors import EmbeddedError, StartCancelled
from runtime.embedded.ownership import ServerUrls, running_urls
from runtime.embedded.servers import EmbeddedServers

__all__ = ["EmbeddedError", "EmbeddedServers", "ServerUrls", "StartCancelled", "running_urls"]
