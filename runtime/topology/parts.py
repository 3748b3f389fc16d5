"""What a running topology consists of, part by part: who is primary, and where everybody listens."""

from collections.abc import Iterator

from runtime.embedded.cluster import ClusterServers
from runtime.embedded.replication import PostgresPair
from runtime.embedded.valkey_nodes import NodeState
from runtime.supervisor import Supervisor
from runtime.topology.control import Part
from runtime.topology.processes import Ports


def parts_of(servers: ClusterServers, supervisor: Supervisor, ports: Ports) -> list[Part]:
    return [*_servers(servers), *_processes(supervisor, ports)]


def _servers(servers: ClusterServers) -> Iterator[Part]:
    if servers.pair is not None:
        for name in sorted((servers.pair.primary, servers.pair.standby)):
            pid = servers.pair.pids.get(name, 0)
            yield Part(f"postgres-{name}", _postgres_role(servers.pair, name), pid)
    if servers.valkey is not None:
        for node in servers.valkey.states():
            yield Part(node.name, _valkey_role(node), node.pid or 0, node.port)
    if servers.nats is not None:
        for one in servers.nats.states():
            yield Part(one.name, one.role, one.pid or 0, one.port)


def _processes(supervisor: Supervisor, ports: Ports) -> Iterator[Part]:
    for name, pid in supervisor.pids.items():
        role, _, number = name.rpartition("-")
        port = 0 if role == "worker" else ports.of(role)[int(number) - 1]
        ready = pid is not None and supervisor.is_ready(name)
        yield Part(name, "serves" if ready else "starts", pid or 0, port)


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
