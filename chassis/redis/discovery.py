"""Where the servers are: what a cluster's nodes and sentinels say, and whether all of it can be used.

Sources: Redis cluster specification; Sentinel documentation, "Sentinel API".
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import hiredis

from chassis.redis.connection import Connection, Refused, passing_connection
from chassis.redis.servers import Address, Servers
from chassis.redis.slots import Range, missing_slots, parse_ranges

OLDEST = (7, 0)  # of Redis, or what a Valkey says that it is like
CHECK_TIMEOUT_S = 3.0  # for one server
AWAY = (OSError, hiredis.HiredisError)  # TimeoutError is an OSError


class Unusable(Exception):
    """These servers cannot be used as the URL says; one sentence."""


class Version(NamedTuple):
    name: str
    number: str
    like_redis: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


async def ranges_of(connection: Connection) -> list[Range] | None:
    """Which node has which slots; None when the server is not part of a cluster, or does not say."""
    try:
        answer = await connection.ask("CLUSTER", "SLOTS")
    except Refused:
        return None
    return parse_ranges(answer, connection.address)


async def ask_for_ranges(address: Address, servers: Servers) -> list[Range] | None:
    """The same on a connection of its own. Raises OSError or Refused."""
    credentials = servers.credentials._replace(database=0)
    async with passing_connection(address, credentials, servers.tls()) as connection:
        return await ranges_of(connection)


async def ask_sentinel(address: Address, servers: Servers) -> Address | None:
    """Where a sentinel says that the primary is; None when it does not know the name.
    Raises OSError or Refused."""
    async with passing_connection(
        address, servers.sentinel_credentials, servers.tls()
    ) as connection:
        answer = await connection.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", servers.primary_name)
    return Address(answer[0].decode(), int(answer[1])) if answer else None


async def check(url: str) -> None:
    """Raises Unusable when the servers answer and are not what is needed. Those that are away may come."""
    try:
        servers = Servers(url)
    except ValueError as wrong:
        raise Unusable(f"STAMPEDE_REDIS_URL {wrong}.") from None
    addresses: Sequence[Address] = servers.addresses
    if servers.primary_name is not None:
        primary = await _primary(servers)
        addresses = [primary] if primary is not None else []
    for address in addresses:
        try:
            async with (
                asyncio.timeout(CHECK_TIMEOUT_S),
                passing_connection(address, servers.credentials, servers.tls()) as connection,
            ):
                ranges = await ranges_of(connection)
                if ranges is not None:
                    await _check_cluster(ranges, servers)
                else:
                    await _check_one(connection, servers)
                return
        except AWAY:
            continue
        except Refused as refused:
            raise Unusable(f"Redis at {address} refuses the connection: {refused}.") from None


async def _primary(servers: Servers) -> Address | None:
    answered = False
    for address in servers.addresses:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                primary = await ask_sentinel(address, servers)
        except AWAY:
            continue
        except Refused as refused:
            raise Unusable(f"The sentinel at {address} refuses: {refused}.") from None
        if primary is not None:
            return primary
        answered = True
    if answered:
        raise Unusable(
            f"No sentinel at {servers} knows a primary called {servers.primary_name!r}:"
            " STAMPEDE_REDIS_URL ends with its name."
        )
    return None


async def _check_one(connection: Connection, servers: Servers) -> None:
    if len(servers.addresses) > 1 and servers.primary_name is None:
        raise Unusable(
            f"STAMPEDE_REDIS_URL names several servers, and {connection.address} is not part of a"
            " cluster: name one, or use sentinel://."
        )
    role = await connection.ask("ROLE")
    if role[0] != b"master":
        raise Unusable(
            f"Redis at {connection.address} is a replica and takes no writes: name its primary,"
            f" {Address(role[1].decode(), role[2])}, or use sentinel://."
        )
    _check_version(await _version(connection), connection.address)


async def _check_cluster(ranges: Sequence[Range], servers: Servers) -> None:
    if missing := missing_slots(ranges):
        raise Unusable(
            f"The Redis cluster at {servers} has no node for {missing} of its slots:"
            " give every slot to a node, and start again."
        )
    versions: dict[Version, Address] = {}
    for address in dict.fromkeys(one.primary for one in ranges):
        try:
            async with (
                asyncio.timeout(CHECK_TIMEOUT_S),
                passing_connection(address, servers.credentials, servers.tls()) as connection,
            ):
                version = await _version(connection)
        except AWAY:
            continue  # its replica may be about to take its place
        _check_version(version, address)
        versions[version] = address
    if len(versions) > 1:
        found = ", ".join(f"{version} at {address}" for version, address in versions.items())
        raise Unusable(f"The Redis cluster's nodes differ ({found}): bring them to one version.")


def _check_version(version: Version, address: Address) -> None:
    if version.like_redis < OLDEST:
        raise Unusable(f"{address} is {version}: at least Redis 7.0, or Valkey, is needed.")


async def _version(connection: Connection) -> Version:
    facts: dict[str, str] = {}
    answer: Any = await connection.ask("INFO", "server")
    for line in answer.decode().splitlines():
        key, _, value = line.partition(":")
        facts[key] = value
    like = facts.get("redis_version", "0")
    name = facts.get("server_name", "redis")
    number = facts.get(f"{name}_version", like)
    return Version(name.capitalize(), number, tuple(int(one) for one in like.split(".")[:2]))
