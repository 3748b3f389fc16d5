"""Kills a part of the running topology on purpose, and brings it back.

Nothing here acts by itself: Valkey and NATS choose their own successors, a service has its twin, and
PostgreSQL's standby is promoted by Patroni, or because somebody asked for it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil

from runtime.draining_server import DRAIN_SIGNAL
from runtime.embedded.cluster import ClusterServers
from runtime.embedded.patroni import PatroniPair
from runtime.embedded.replication import PostgresPair
from runtime.embedded.valkey_nodes import NodeState, ValkeyNodes
from runtime.services import SERVICES
from runtime.supervisor import Supervisor
from runtime.topology.control import Job, Refused, Reply

KINDS = ("valkey", "postgresql", "nats", "haproxy", "gateway", *SERVICES, "worker")
TAKEOVER_TIMEOUT_S = 20.0
PROMOTION_TIMEOUT_S = 45.0  # the lock of a dead primary ends after 20 s
BACK_TIMEOUT_S = 90.0


class Failing:
    """The jobs `failover` and `restart` (runtime.topology.control)."""

    def __init__(self, servers: ClusterServers, supervisor: Supervisor) -> None:
        self._servers, self._supervisor = servers, supervisor
        self._last: dict[str, str] = {}

    def fail_over(self, name: str, *, force: bool, planned: bool = False) -> Job:
        """`name`: one of KINDS, or a part's own name such as `valkey-2`. `planned`: nothing is killed."""
        if planned and (name != "postgresql" or self._servers.patroni is None):
            raise Refused("Only PostgreSQL can be handed over in order, and only by Patroni.")
        kind = name if name in KINDS else name.rpartition("-")[0]
        if kind == "valkey" and self._servers.valkey is not None:
            return _fail_valkey(self._servers.valkey, name, force=force)
        if kind == "nats" and self._servers.nats is not None:
            return self._fail_nats(name)
        if name == "postgresql" and self._servers.patroni is not None:
            return _fail_primary(self._servers.patroni, force=force, planned=planned)
        if name == "postgresql" and self._servers.pair is not None:
            return _fail_postgres(self._servers.pair, force=force)
        if name == "etcd" and self._servers.patroni is not None:
            return _fail_etcd(self._servers.patroni)
        if name in {"valkey", "postgresql", "nats", "etcd"}:
            raise Refused(f"This topology does not run {name} itself.")
        if name == "haproxy" and name not in self._supervisor.pids:
            raise Refused("This topology has no HAProxy: its gateways share one port.")
        return self._fail_process(self._pick(name))

    def restart_all(self) -> Job:
        """Replaces the processes of every service, gateway and worker, one after the other.

        HAProxy runs no code of ours, and goes on.
        """
        for name in self._supervisor.pids:
            if name == "haproxy":
                continue
            began, old = time.monotonic(), _working(self._supervisor.pids[name])
            if not name.startswith("worker"):
                _let_callers_leave(old)
            self._supervisor.replace(name)
            yield from _until(
                lambda old=old, name=name: (  # type: ignore[misc]
                    not any(one.is_running() for one in old) and self._supervisor.is_ready(name)
                ),
                BACK_TIMEOUT_S,
                f"{name} has not been replaced in time: see the logs.",
            )
            yield Reply(f"{name} replaced after {time.monotonic() - began:.1f} s.")

    def _pick(self, name: str) -> str:
        """The process of that name, or the one of that service that was not the last to be killed."""
        pids = self._supervisor.pids
        own = [name] if name in pids else [n for n in pids if n.rpartition("-")[0] == name]
        if not own:
            raise Refused(f"{name!r} is no part of this topology: name one of {', '.join(KINDS)}.")
        alive = [one for one in own if pids[one] is not None]
        if not alive:
            raise Refused(f"No process of {name} runs: wait until one is back.")
        chosen = next((one for one in alive if one != self._last.get(name)), alive[0])
        self._last[name] = chosen
        return chosen

    def _fail_process(self, name: str) -> Job:
        pid, began = self._supervisor.pids[name], time.monotonic()
        self._supervisor.kill(name)
        yield Reply(f"{name} (pid {pid}) killed.")
        yield from _until(
            lambda: (
                self._supervisor.pids[name] not in {None, pid} and self._supervisor.is_ready(name)
            ),
            BACK_TIMEOUT_S,
            f"{name} does not come back: see the logs.",
        )
        # A gateway's twin answers at the same port, and a worker answers nobody.
        how = "was started again" if name.startswith(("gateway", "worker")) else "is back"
        yield Reply(f"{name} {how} after {time.monotonic() - began:.1f} s.")

    def _fail_nats(self, name: str) -> Job:
        nats = self._servers.nats
        assert nats is not None
        states = {one.name: one for one in nats.states()}
        killed = nats.leader() if name == "nats" else name
        if not killed:
            raise Refused("The NATS servers agree on no leader: wait until they do.")
        if killed not in states:
            raise Refused(f"There is no {name}: name one of {', '.join(states)}.")
        if states[killed].pid is None:
            raise Refused(f"{killed} is down: wait until it is back.")
        began = time.monotonic()
        nats.kill(killed)
        yield Reply(f"{killed} ({states[killed].role}, pid {states[killed].pid}) killed.")
        try:
            yield from _until(
                lambda: bool(nats.leader(beside=killed)), TAKEOVER_TIMEOUT_S, "Nobody leads now."
            )
            yield Reply(
                f"{nats.leader(beside=killed)} leads after {time.monotonic() - began:.1f} s."
            )
        finally:
            nats.restart(killed)
        yield Reply(f"{killed} started again.")


def _fail_valkey(nodes: ValkeyNodes, name: str, *, force: bool) -> Job:
    killed = _node(nodes, name, force=force)
    began = time.monotonic()
    nodes.kill(killed.name)
    yield Reply(f"{killed.name} ({killed.role}, pid {killed.pid}) killed.")
    try:
        if killed.slots:
            yield from _until(
                lambda: bool(nodes.owner_of(killed.first_slot, beside=killed.name)),
                TAKEOVER_TIMEOUT_S,
                f"Nobody has taken the slots of {killed.name}, which has been started again.",
            )
            heir = nodes.owner_of(killed.first_slot, beside=killed.name)
            yield Reply(f"{heir} has its slots after {time.monotonic() - began:.1f} s.")
    finally:
        nodes.restart(killed.name)
    yield from _until(
        lambda: nodes.state(killed.name).in_sync,
        BACK_TIMEOUT_S,
        f"{killed.name} does not catch up: see its log.",
    )
    yield Reply(
        f"{killed.name} is back as a replica of {nodes.state(killed.name).of} after"
        f" {time.monotonic() - began:.1f} s."
    )


def _node(nodes: ValkeyNodes, name: str, *, force: bool) -> NodeState:
    """The node of that name, or the first primary whose replica is in sync."""
    states = nodes.states()
    covered = {one.of for one in states if one.in_sync}
    if name == "valkey":
        found = [one for one in states if one.role == "primary" and one.slots]
        found = [one for one in found if force or one.name in covered]
        if not found:
            raise Refused("No Valkey primary has a replica in sync: wait, or say --force.")
        return found[0]
    named = next((one for one in states if one.name == name), None)
    if named is None:
        raise Refused(f"There is no {name}: name one of {', '.join(one.name for one in states)}.")
    if named.pid is None:
        raise Refused(f"{name} is down: wait until it is back.")
    if named.slots and name not in covered and not force:
        raise Refused(f"{name} has no replica in sync: wait until it has, or say --force.")
    return named


def _fail_postgres(pair: PostgresPair, *, force: bool) -> Job:
    old, new = pair.primary, pair.standby
    if new not in pair.pids:
        raise Refused("PostgreSQL's standby is down, so nobody could be promoted: wait for it.")
    if not force and not pair.in_sync():
        raise Refused(
            "PostgreSQL's standby is not in sync, so a failover could lose what was acknowledged:"
            " wait until it is, or say --force."
        )
    pid, began = pair.pids.get(old), time.monotonic()
    pair.kill(old)
    yield Reply(f"postgres-{old} (primary, pid {pid}) killed.")
    pair.promote()
    yield Reply(f"postgres-{new} is the primary after {time.monotonic() - began:.1f} s.")
    # This waits until the old one streams, some seconds, and so does the supervisor: a server must be
    # started by the thread that it is tied to.
    pair.rejoin()
    yield Reply(f"postgres-{old} follows it after {time.monotonic() - began:.1f} s.")


def _fail_primary(pair: PatroniPair, *, force: bool, planned: bool) -> Job:
    """Patroni promotes. Forced without a standby in sync, it promotes nobody, and the primary comes back."""
    old = next((one for one in pair.members() if one.role == "primary"), None)
    if old is None:
        raise Refused("PostgreSQL has no primary: wait until Patroni has promoted one.")
    if not pair.in_sync() and (planned or not force):
        raise Refused(
            "PostgreSQL's standby is not in sync, and Patroni would promote nobody: wait until it is"
            + ("." if planned else ", or say --force.")
        )
    began = time.monotonic()
    if planned:
        pair.hand_over(old.name)
        yield Reply(f"postgres-{old.name} (primary, pid {old.pid}) hands over.")
    else:
        pair.kill(old.name)
        yield Reply(f"postgres-{old.name} (primary, pid {old.pid}) killed.")
    try:
        yield from _until(
            lambda: bool(pair.primary(beside=old.name)),
            PROMOTION_TIMEOUT_S,
            f"Patroni has promoted nobody; postgres-{old.name} is started again.",
        )
        new = pair.primary(beside=old.name)
        yield Reply(f"postgres-{new} is the primary after {time.monotonic() - began:.1f} s.")
    finally:
        if not planned:
            pair.restart(old.name)
    yield from _until(
        pair.in_sync, BACK_TIMEOUT_S, f"postgres-{old.name} does not follow: see its log."
    )
    yield Reply(f"postgres-{old.name} follows it after {time.monotonic() - began:.1f} s.")


def _fail_etcd(pair: PatroniPair) -> Job:
    (pid, _), began = pair.etcd, time.monotonic()
    pair.kill_etcd()
    yield Reply(f"etcd (pid {pid}) killed.")
    yield from _until(
        lambda: pair.etcd[0] not in {0, pid}, BACK_TIMEOUT_S, "etcd does not come back."
    )
    yield Reply(f"etcd was started again after {time.monotonic() - began:.1f} s.")


def _working(pid: int | None) -> list[psutil.Process]:
    """The processes of a child that are replaced: a web server's own processes, or itself."""
    if pid is None:
        return []
    try:
        main = psutil.Process(pid)
        return [one for one in main.children() if "resource_tracker" not in _command(one)] or [main]
    except psutil.NoSuchProcess:
        return []


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _let_callers_leave(old: list[psutil.Process]) -> None:
    """They close each connection with its next answer, until their successors serve. A stop and a start
    would let callers wait: the new process listens before it can answer."""
    for one in old:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(DRAIN_SIGNAL)


def _until(holds: Callable[[], bool], timeout_s: float, late: str) -> Iterator[None]:
    give_up = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > give_up:
            raise Refused(late)
        yield None
