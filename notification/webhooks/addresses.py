"""Allowed addresses and URLs of webhooks: only public ones.

A user who chooses a URL that we call could make us call systems that trust us: our own services, the cloud's
metadata, a neighbour's database (server-side request forgery). So we call only public Internet addresses, and
only HTTPS ports. The excluded networks are from IANA's special-purpose registries (RFC 6890 and successors).
"""

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from yarl import URL

URL_LENGTH_MAX = 2000
PORTS = frozenset({443, 8443})  # other ports have other protocols, which a TLS hello may confuse

_CLOSED_V4 = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # looks public, but is Azure's own host
        "169.254.0.0/16",  # link-local; metadata at 169.254.169.254
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF; metadata at 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_OPEN_V6 = ip_network(
    "2000::/3"
)  # global unicast; loopback, ULA, link-local, multicast are outside
_CLOSED_V6 = tuple(
    ip_network(one)
    for one in (
        "2001::/23",  # IETF: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: contains any IPv4 address
        "3fff::/20",  # documentation
    )
)
_NAT64 = ip_network("64:ff9b::/96")  # IPv4 from an IPv6-only network (RFC 6052)

_URL = re.compile(r"[!-~]+")
_AUTHORITY = re.compile(r"[^/]*//([^/?#]*).*")
_BAD = re.compile(r"[\\<>\"^`{|}]")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")


class BadDestination(ValueError):
    """A webhook may not call this URL; the message gives the reason to the endpoint's owner."""


def is_open(address: str) -> bool:
    """Whether this address is public, so that anybody on the Internet can call it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return _is_open_v4(parsed) if isinstance(parsed, IPv4Address) else _is_open_v6(parsed)


def check_url(text: str, *, allow_private: bool, ports: Collection[int] = PORTS) -> URL:
    """The normalised URL. Raises BadDestination.

    allow_private: for development; also allows plain HTTP, any port and names without a dot.
    """
    if len(text) > URL_LENGTH_MAX or not _URL.fullmatch(text) or _BAD.search(text):
        raise BadDestination(f"must be a URL of at most {URL_LENGTH_MAX} ASCII characters")
    try:
        url = URL(text)
        host, port = url.raw_host, url.port
    except ValueError:
        raise BadDestination("is not a URL") from None
    if url.scheme != "https" and not (allow_private and url.scheme == "http"):
        raise BadDestination("must begin with https://")
    if "@" in _AUTHORITY.sub(r"\1", text):
        raise BadDestination("must not carry a user name or password; deliveries are signed")
    if "#" in text:
        raise BadDestination("must not have a fragment")
    if not host or not _is_host(host, allow_private=allow_private):
        raise BadDestination("must name a host on the Internet")
    if not port or (port not in ports and not allow_private):
        raise BadDestination("must use port 443 or 8443")
    return url


def _is_host(host: str, *, allow_private: bool) -> bool:
    """A name with a dot, or an address in canonical form: not 127.1, 0x7f.1 or 2130706433."""
    try:
        ip_address(host)
    except ValueError:
        named = len(host) <= 253 and _NAME.fullmatch(host.lower()) is not None
        return named and (allow_private or "." in host)
    return allow_private or is_open(host)


def _is_open_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in _CLOSED_V4)


def _is_open_v6(address: IPv6Address) -> bool:
    inner = address.ipv4_mapped
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    if inner is not None:
        return _is_open_v4(inner)
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)
