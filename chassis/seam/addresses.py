"""Where a service's addresses come from: the URLs of a setting, each with an IP address, a name, or SRV
records.

    http://10.0.0.7:8003             that address
    http://booking.example:8003      all addresses of the name (A and AAAA)
    srv://_booking._tcp.example      hosts, ports, priorities and weights of its SRV records (RFC 2782)
    srv+https://booking.example      the same over TLS

Several with commas between are one service.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import msgspec

from chassis.seam.address import Address

RESOLVE_TIMEOUT_S = 1.0


Find = Callable[[], Awaitable[Sequence[Address]]]


class Source(msgspec.Struct, frozen=True):
    """One URL of a service. `find` raises OSError if its name cannot be resolved; None: `fixed` is all."""

    fixed: tuple[Address, ...] = ()
    find: Find | None = None


def sources_of(urls: str, dns_servers: Sequence[str] = ()) -> tuple[str, list[Source]]:
    """The scheme of the calls (http or https), and where their addresses come from."""
    scheme = "http"
    sources = []
    for url in urls.split(","):
        parts = urlsplit(url)
        scheme = "https" if parts.scheme in {"https", "srv+https"} else "http"
        name = parts.hostname or "127.0.0.1"
        if parts.scheme.startswith("srv"):
            sources.append(Source(find=_service(name, dns_servers)))
            continue
        sources.append(source_of(name, parts.port or (443 if scheme == "https" else 80)))
    return scheme, sources


def source_of(name: str, port: int) -> Source:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return Source(find=_host(name, port))
    return Source(fixed=(Address(name, port, name),))


def _host(name: str, port: int) -> Find:
    async def find() -> Sequence[Address]:
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        return [Address(ip, port, name) for ip in sorted({str(one[4][0]) for one in found})]

    return find


def _service(name: str, dns_servers: Sequence[str]) -> Find:
    async def find() -> Sequence[Address]:
        # Here, because it takes 60 ms to load, and few installations have such names.
        from chassis.seam.srv import look_up_service  # noqa: PLC0415

        return await look_up_service(name, dns_servers, timeout_s=RESOLVE_TIMEOUT_S)

    return find
