"""The client's address: the nearest address that is not one of our trusted proxies.

X-Forwarded-For is read from right to left, and only as far as trusted proxies wrote it. What a
client puts there itself stays further left and is never reached.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import AF_INET, inet_pton

from chassis.http.addresses import net_of
from chassis.settings import Network

ADDRESSES_MAX = 65_536  # parsed addresses remembered
HOPS_MAX = 16  # entries of X-Forwarded-For that are read
ADDRESS_LENGTH_MAX = 64  # with brackets, zone and port; longer text is invalid and not remembered

Address = IPv4Address | IPv6Address


class Addresses:
    """`of(peer, forwarded)` returns the client's address as text. `key` is what limits count by."""

    def __init__(self, trusted_proxies: Sequence[Network]) -> None:
        self._trusted = tuple(trusted_proxies)
        self._trusted_ipv4 = [
            (int(network.netmask), int(network.network_address))
            for network in self._trusted
            if network.version == 4
        ]
        self._is_trusted = lru_cache(ADDRESSES_MAX)(self._look_up_trust)
        self.key = lru_cache(ADDRESSES_MAX)(net_of)

    def of(self, peer: str, forwarded: Sequence[bytes]) -> str:
        """`forwarded`: the X-Forwarded-For header lines in order. Never raises.

        An invalid entry ends the reading: the proxy that passed it on then counts as the client.
        """
        address = plain_address(peer) or "unknown"
        if not forwarded or not self._is_trusted(address):
            return address
        line = forwarded[0] if len(forwarded) == 1 else b",".join(forwarded)
        entries = line.rsplit(b",", HOPS_MAX)
        for entry in reversed(entries[-HOPS_MAX:]):
            text = entry.strip().decode("latin-1")
            hop = plain_address(text) if len(text) <= ADDRESS_LENGTH_MAX else None
            if hop is None:
                return address
            address = hop
            if not self._is_trusted(address):
                return address
        return address

    def _look_up_trust(self, address: str) -> bool:
        if not self._trusted:
            return False
        number = _ipv4(address)
        if number is not None:
            return any(number & mask == network for mask, network in self._trusted_ipv4)
        parsed = _parse(address)
        return parsed is not None and any(
            parsed.version == network.version and parsed in network for network in self._trusted
        )


@lru_cache(ADDRESSES_MAX)
def plain_address(text: str) -> str | None:
    """The canonical form of an address, without port and brackets. None if it is invalid."""
    if _ipv4(text) is not None:
        return text
    parsed = _parse(text)
    return None if parsed is None else str(parsed)


def _ipv4(text: str) -> int | None:
    """The number of an IPv4 address in its canonical form, else None. In a crowd each address is new, and
    `ipaddress` takes 3 µs each time."""
    try:
        return int.from_bytes(inet_pton(AF_INET, text), "big")
    except (OSError, ValueError):
        return None


def _parse(text: str) -> Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]  # 192.0.2.1:4711, as some proxies write it
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
