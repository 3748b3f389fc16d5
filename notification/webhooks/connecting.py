"""Connections to organizers' receivers, only to allowed addresses.

We resolve a name ourselves, check all its addresses, and connect to the checked address. So a name that
resolves to a different address later (DNS rebinding) has no effect. The socket checks its address once more,
whatever path led to it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from chassis.seam.outgoing import passing_on_the_trace
from notification.webhooks.addresses import PORTS, BadDestination, check_url, is_open

RESOLVE_TIMEOUT_S = 3.0
RESOLVERS = 16  # threads; a name server that never answers blocks one for some seconds
KEEP_ALIVE_S = 5.0

Look = Callable[[str, int], Awaitable[list[str]]]


class AddressRefused(OSError):
    """The host has an address that webhooks may not call."""


class Addresses:
    """Resolves names with the system's resolver, in its own threads and with a deadline."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="webhook-names")

    async def look(self, host: str, port: int) -> list[str]:
        """All addresses of a host. Raises OSError, which includes TimeoutError."""
        asking = asyncio.get_running_loop().run_in_executor(
            self._threads,
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM),
        )
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            found = await asking
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Destinations:
    """Use `check` when an endpoint is created or changed, and `open_session` for sending."""

    def __init__(self, look: Look, *, allow_private: bool, ports: Collection[int] = PORTS) -> None:
        self.ports = ports
        self._look = look
        self.allow_private = allow_private

    async def check(self, text: str) -> URL:
        """The normalised URL. Raises BadDestination if a webhook may not call it now."""
        url = check_url(text, allow_private=self.allow_private, ports=self.ports)
        assert url.raw_host is not None, "check_url requires a host"
        assert url.port is not None, "check_url requires a port"
        try:
            await self.addresses(url.raw_host, url.port)
        except AddressRefused:
            raise BadDestination("must not lead to a private or reserved address") from None
        except OSError:
            raise BadDestination("names a host that cannot be found") from None
        return url

    async def addresses(self, host: str, port: int) -> list[str]:
        """All addresses of the host, checked. Raises AddressRefused, OSError."""
        found = await self._look(host, port)
        if not found:
            raise OSError("the host has no address")
        for address in found:
            self.must_be_open(address)
        return found

    def must_be_open(self, address: str) -> None:
        if not self.allow_private and not is_open(address):
            raise AddressRefused("the host has an address that webhooks may not call")

    def open_session(self) -> aiohttp.ClientSession:
        """A session without cookies, proxies from the environment, decompression or a DNS cache."""
        connector = aiohttp.TCPConnector(
            resolver=_CheckingResolver(self),
            socket_factory=self._make_socket,
            use_dns_cache=False,
            limit=0,  # the dispatcher limits concurrent requests
            keepalive_timeout=KEEP_ALIVE_S,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            trace_configs=[passing_on_the_trace()],
        )

    def _make_socket(self, info: Any) -> socket.socket:
        """Called for every connection, including those to a literal address."""
        family, kind, protocol, _, where = info
        self.must_be_open(str(where[0]))
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


class _CheckingResolver(AbstractResolver):
    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._destinations.addresses(host, port)
        ]

    async def close(self) -> None:
        """Does nothing: the owner of the threads closes them."""
