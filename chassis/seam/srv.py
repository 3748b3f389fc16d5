"""SRV records (RFC 2782), as Consul and Kubernetes' headless services publish them."""

import asyncio
import itertools
from collections.abc import Sequence
from urllib.parse import urlsplit

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
from dns.message import Message
from dns.name import Name

from chassis.seam.address import Address

DNS_PORT = 53
RECORDS_MAX = 64  # addresses of one service; more are left out
FAMILIES = (dns.rdatatype.A, dns.rdatatype.AAAA)


async def look_up_service(
    name: str, dns_servers: Sequence[str] = (), *, timeout_s: float
) -> list[Address]:
    """Addresses of all targets. Raises OSError if there is no answer, or no such name.

    dns_servers: addresses with or without a port. Empty: those of /etc/resolv.conf.
    """
    resolver = _resolver(dns_servers)
    try:
        async with asyncio.timeout(timeout_s):
            answer = await resolver.resolve(name, dns.rdatatype.SRV, lifetime=timeout_s)
            records = [one for one in answer if one.target.labels != (b"",)][:RECORDS_MAX]
            targets = sorted({one.target for one in records})
            found = await asyncio.gather(
                *(_ips_of(resolver, one, answer.response, timeout_s) for one in targets)
            )
    except (dns.exception.DNSException, TimeoutError) as failure:
        raise OSError(f"no addresses of {name}: {failure}") from failure
    ips = dict(zip(targets, found, strict=True))
    return [
        Address(
            ip,
            one.port,
            one.target.to_text(omit_final_dot=True),
            priority=one.priority,
            weight=max(1, one.weight),
        )
        for one in sorted(records)
        for ip in ips[one.target]
    ][:RECORDS_MAX]


def _resolver(dns_servers: Sequence[str]) -> dns.asyncresolver.Resolver:
    if not dns_servers:
        return dns.asyncresolver.Resolver()
    resolver = dns.asyncresolver.Resolver(configure=False)
    parsed = [urlsplit(f"//{one}") for one in dns_servers]
    resolver.nameservers = [
        dns.nameserver.Do53Nameserver(str(one.hostname), one.port or DNS_PORT) for one in parsed
    ]
    return resolver


async def _ips_of(
    resolver: dns.asyncresolver.Resolver, target: Name, answer: Message, timeout_s: float
) -> list[str]:
    """From the additional section, where the server put them there. Else it is asked."""
    with_it = [
        one.address
        for family in FAMILIES
        for rrset in answer.additional
        if rrset.name == target and rrset.rdtype == family
        for one in rrset
    ]
    return sorted(with_it) or await _look_up(resolver, target, timeout_s)


async def _look_up(
    resolver: dns.asyncresolver.Resolver, target: Name, timeout_s: float
) -> list[str]:
    """Empty if there are none: the other targets are there all the same. Raises DNSException if nobody
    says so."""

    async def look_up(family: dns.rdatatype.RdataType) -> list[str]:
        try:
            answer = await resolver.resolve(target, family, lifetime=timeout_s)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        return [one.address for one in answer]

    found = await asyncio.gather(*map(look_up, FAMILIES))
    return sorted(itertools.chain(*found))
