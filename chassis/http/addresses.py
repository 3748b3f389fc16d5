"""The address that a client counts by, as the gateway reports it. IPv6 addresses count by network.

Only the gateway writes X-Forwarded-For towards services. A client's own header is read only as far as
trusted proxies wrote it, and then dropped (gateway.protection.addresses, gateway.http.request_headers).
"""

from collections.abc import Mapping
from ipaddress import ip_network

# one household or one server: an IPv6 user has all addresses of such a network
IPV6_PREFIX_BITS = 64
LENGTH_MAX = 64


def net_of(address: str) -> str:
    """An IPv4 address itself; the network of an IPv6 address."""
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/{IPV6_PREFIX_BITS}", strict=False))


def counted_as(headers: Mapping[str, str]) -> str | None:
    """The address that a request's client counts by. None if it did not come through the gateway.

    headers: the request's, by lower-case names.
    """
    said = headers.get("x-forwarded-for", "").strip()[:LENGTH_MAX]
    if not said:
        return None
    try:
        return net_of(said)
    except ValueError:
        return said
