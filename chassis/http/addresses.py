"""What a client is counted by: the address that the gateway says, an IPv6 one by its network.

The gateway alone writes X-Forwarded-For towards services: what a client sends under that name is read
as far as trusted proxies wrote it, and dropped (gateway.protection.addresses, gateway.http.request_headers).
"""

from collections.abc import Mapping
from ipaddress import ip_network

IPV6_PREFIX_BITS = 64  # one household or one server: an IPv6 user has all addresses of such a net
LENGTH_MAX = 64


def net_of(address: str) -> str:
    """An IPv4 address itself, an IPv6 address's network."""
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/{IPV6_PREFIX_BITS}", strict=False))


def counted_as(headers: Mapping[str, str]) -> str | None:
    """By what to count the client of a request that a service gets; None when it came past the gateway.

    headers: of the request, by lower-case names.
    """
    said = headers.get("x-forwarded-for", "").strip()[:LENGTH_MAX]
    if not said:
        return None
    try:
        return net_of(said)
    except ValueError:
        return said
