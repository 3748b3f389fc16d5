"""What a running topology consists of, part by part: who is primary, and where everybody listens."""

from collections.abc import Iterator

from runtime.embedded.cluster import ClusterServers
from runtime.embedded.patroni import PatroniMember, PatroniPair
from runtime.embedded.patroni_config import TTL_S
from runtime.embedded.replication import PostgresPair
from runtime.embedded.valkey_nodes import NodeState
from runtime.supervisor import Supervisor
from runtime.topology.balancer import NAME
from runtime.topology.control import Part
from runtime.topology.processes import Ports


def parts_of(servers: ClusterServers, supervisor: Supervisor, ports: Ports) -> list[Part]:
    return [*_servers(servers), *_processes(supervisor, ports)]


def who_takes_over(servers: ClusterServers, ports: Ports) -> Iterator[str]:
    """What stands before the gateways, and who promotes PostgreSQL's standby: a sentence each."""
    if ports.balanced:
        yield "HAProxy stands before the gateways."
    else:
        yield "The gateways share one port, without a balancer."
    if servers.patroni is not None:
        yield f"Patroni promotes PostgreSQL's standby, {TTL_S} s after the primary's last sign of life."
    elif servers.pair is not None:
        yield "PostgreSQL's standby is promoted by `stampede failover postgresql` only."


def _servers(servers: ClusterServers) -> Iterator[Part]:
    if servers.pair is not None:
        for name in sorted((servers.pair.primary, servers.pair.standby)):
            pid = servers.pair.pids.get(name, 0)
            yield Part(f"postgres-{name}", _postgres_role(servers.pair, name), pid)
    if servers.patroni is not None:
        yield from _patroni(servers.patroni)
    if servers.valkey is not None:
        for node in servers.valkey.states():
            yield Part(node.name, _valkey_role(node), node.pid or 0, node.port)
    if servers.nats is not None:
        for one in servers.nats.states():
            yield Part(one.name, one.role, one.pid or 0, one.port)


def _processes(supervisor: Supervisor, ports: Ports) -> Iterator[Part]:
    for name, pid in supervisor.pids.items():
        ready = pid is not None and supervisor.is_ready(name)
        yield Part(name, "serves" if ready else "starts", pid or 0, _port(name, ports))


def _port(name: str, ports: Ports) -> int:
    role, _, number = name.rpartition("-")
    if name == NAME:
        return ports.public
    return 0 if role == "worker" else ports.of(role)[int(number) - 1]


def _patroni(pair: PatroniPair) -> Iterator[Part]:
    members = pair.members()
    for one in members:
        yield Part(f"postgres-{one.name}", _member_role(one), one.pid, one.port)
    for one in members:
        role = "runs" if one.patroni_pid else "away"
        yield Part(f"patroni-{one.name}", role, one.patroni_pid, one.patroni_port)
    pid, port = pair.etcd
    yield Part("etcd", "runs" if pid else "away", pid, port)


def _member_role(one: PatroniMember) -> str:
    if one.role != "standby":
        return one.role
    return "standby, in sync" if one.in_sync else "standby, not in sync"


def _postgres_role(pair: PostgresPair, name: str) -> str:
    if name not in pair.pids:
        return "away"
    if name == pair.primary:
        return "primary"
    return "standby, in sync" if pair.in_sync() else "standby, not in sync"


def _valkey_role(node: NodeState) -> str:
    if node.role == "primary":
        return f"primary of {node.slots} slots"
    if node.role == "replica":
        return f"replica of {node.of}" + ("" if node.in_sync else ", not in sync")
    return node.role
