"""Who calls, as far as that is known of somebody without an account."""

from ipaddress import ip_address, ip_network

IPV6_PREFIX_BITS = 64  # one household: a client changes its address within it at will


def client_network(forwarded_for: str | None) -> str:
    """The client's address as the gateway names it (it alone writes X-Forwarded-For here), or an IPv6
    address's network; empty when nobody named one."""
    text = (forwarded_for or "").rpartition(",")[2].strip()
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if address.version == 4:
        return str(address)
    return str(ip_network(f"{address}/{IPV6_PREFIX_BITS}", strict=False))
