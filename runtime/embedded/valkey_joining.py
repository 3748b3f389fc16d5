"""How nodes become a Valkey cluster, without a command-line client: each is told by commands.

Source: Redis cluster specification and the commands' own pages (CLUSTER MEET, ADDSLOTSRANGE, REPLICATE).
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chassis.redis.slots import SLOTS
from runtime.embedded.errors import EmbeddedError, StartCancelled
from runtime.embedded.spawning import PROBE_INTERVAL_S

ASK_TIMEOUT_S = 0.5
JOIN_TIMEOUT_S = 60.0
COVERED_TIMEOUT_S = 10.0  # the nodes have told each other by then which slots they have
AWAY = (redis.RedisError, OSError)


@dataclass(frozen=True)
class NodePorts:
    """Where a node listens to clients, and to the other nodes."""

    port: int
    bus: int


def ask(port: int, *call: str | int) -> Any:
    """The answer of this node, and of no other. Raises one of AWAY."""
    client = redis.Redis(
        host="127.0.0.1", port=port, socket_timeout=ASK_TIMEOUT_S, retry=Retry(NoBackoff(), 0)
    )
    with contextlib.closing(client), contextlib.closing(client.connection_pool):
        connection = client.connection_pool.get_connection()
        connection.send_command(*call)  # type: ignore[no-untyped-call]
        return connection.read_response()


def owners(port: int) -> list[tuple[int, int, int]]:
    """As this node sees it: first slot, last slot, and the port of the primary that has them."""
    return [(one[0], one[1], one[2][1]) for one in ask(port, "CLUSTER", "SLOTS")]


def slots_of(ranges: Sequence[tuple[int, int, int]], port: int | None = None) -> int:
    """How many slots this primary has; None: all together."""
    return sum(last - first + 1 for first, last, owner in ranges if port in {None, owner})


def join(
    nodes: Sequence[NodePorts], primaries: int, should_stop: Callable[[], bool], remedy: str
) -> None:
    """Returns when every slot has a primary and every other node is a replica that has caught up.

    The first start gives the first `primaries` nodes a part of the slots each, and each a replica. Later
    ones find what the nodes have kept, tell them each other's addresses again, and take in a node that
    has lost its files. Raises EmbeddedError if slots are missing, StartCancelled after `should_stop()`.
    """
    ids = {node.port: ask(node.port, "CLUSTER", "MYID").decode() for node in nodes}
    for node, other in itertools.combinations(nodes, 2):  # all pairs: gossip takes seconds
        ask(node.port, "CLUSTER", "MEET", "127.0.0.1", other.port, other.bus)
    if not any(owners(node.port) for node in nodes):
        _share_out(nodes[:primaries])
    if not _eventually(lambda: all(_knows(one.port, ids.values()) for one in nodes), should_stop):
        raise EmbeddedError(f"The Valkey nodes do not find each other: {remedy}.")
    if not _eventually(lambda: _missing(nodes) == 0, should_stop, COVERED_TIMEOUT_S):
        raise EmbeddedError(
            f"The Valkey cluster has no node for {_missing(nodes)} of its slots: {remedy}."
        )
    if not _eventually(lambda: _all_work(nodes, ids), should_stop):
        raise EmbeddedError(f"The Valkey nodes do not form a whole cluster: {remedy}.")


def _share_out(primaries: Sequence[NodePorts]) -> None:
    for number, node in enumerate(primaries):
        first, end = (SLOTS * one // len(primaries) for one in (number, number + 1))
        ask(node.port, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)


def _knows(port: int, ids: Iterable[str]) -> bool:
    """By their ids: a node that it is still shaking hands with has a passing one."""
    known = ask(port, "CLUSTER", "NODES").decode()
    return all(one in known for one in ids)


def _missing(nodes: Sequence[NodePorts]) -> int:
    """Slots without a primary, as the node sees it that knows the fewest."""
    return SLOTS - min(slots_of(owners(node.port)) for node in nodes)


def _without_work(nodes: Sequence[NodePorts]) -> list[tuple[int, int]]:
    """Primaries without slots, each with the primary that lacks a replica."""
    ranges = owners(nodes[0].port)
    working = {owner for _, _, owner in ranges}
    roles = {node.port: ask(node.port, "ROLE") for node in nodes}
    followed = {role[2] for role in roles.values() if role[0] != b"master"}
    idle = [port for port, role in roles.items() if role[0] == b"master" and port not in working]
    alone = [node.port for node in nodes if node.port in working - followed]
    return list(zip(idle, alone, strict=False))


def _all_work(nodes: Sequence[NodePorts], ids: dict[int, str]) -> bool:
    """Gives idle nodes a primary. One that was replaced just before the last end refuses, until it has heard
    of that and becomes a replica by itself."""
    for port, primary in _without_work(nodes):
        ask(port, "CLUSTER", "REPLICATE", ids[primary])
    return all(map(_is_well, nodes))


def _is_well(node: NodePorts) -> bool:
    if b"cluster_state:ok" not in ask(node.port, "CLUSTER", "INFO"):
        return False
    role = ask(node.port, "ROLE")
    return bool(role[0] == b"master" or role[3] == b"connected")


def _eventually(
    holds: Callable[[], bool], should_stop: Callable[[], bool], timeout_s: float = JOIN_TIMEOUT_S
) -> bool:
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        with contextlib.suppress(*AWAY):
            if holds():
                return True
        if should_stop():
            raise StartCancelled("The start was interrupted, and nothing is left running.")
        time.sleep(PROBE_INTERVAL_S)
    return False
