"""What Patroni is told: how to run our PostgreSQL, and how soon to promote the standby."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.embedded.etcd import USER as ETCD_USER
from runtime.embedded.postgres import SETTINGS, SUPERUSER, shared_buffers
from runtime.embedded.wheel import PROGRAMS

# The standby promotes itself when the primary has not been heard of for so long. Patroni allows no less.
TTL_S = 20
# How often each looks after its server: so late does a primary notice that its standby has gone, and
# commits wait until then.
LOOP_WAIT_S = 2
# How long etcd may be away before the primary asks the standby whether it may go on. With twice this and a
# loop, the lock is still held.
RETRY_TIMEOUT_S = 5
REPLICATOR = "replicator"
HOST = "127.0.0.1"
# Patroni sets these itself, or takes them only from what all members share.
ITS_OWN = {"listen_addresses", "port", "cluster_name"}
SHARED = {"max_connections"}


@dataclass(frozen=True)
class PatroniPorts:
    """Loopback ports: PostgreSQL's and Patroni's own of each member, etcd's for clients and for its peers."""

    postgres: tuple[int, int]
    rest: tuple[int, int]
    etcd: int
    etcd_peer: int

    def all(self) -> list[int]:
        return [*self.postgres, *self.rest, self.etcd, self.etcd_peer]


def configuration(
    name: str, folder: Path, sockets: Path, *, postgres: int, rest: int, etcd: int, password: str
) -> dict[str, Any]:
    """For the member `name`. Programs on this machine reach PostgreSQL without a password only through the
    private folder `sockets`; the other member comes over TCP with one."""
    return {
        "scope": "stampede",
        "name": name,
        "log": {"level": "INFO", "deduplicate_heartbeat_logs": True},
        "restapi": {
            "listen": f"{HOST}:{rest}",
            "connect_address": f"{HOST}:{rest}",
            "authentication": {"username": SUPERUSER, "password": password},
        },
        "etcd3": {"hosts": [f"{HOST}:{etcd}"], "username": ETCD_USER, "password": password},
        "bootstrap": {"dcs": _shared(), "initdb": _initdb()},
        "postgresql": {
            "listen": f"{HOST}:{postgres}",
            "connect_address": f"{HOST}:{postgres}",
            "data_dir": str(folder / "postgres"),
            "bin_dir": str(PROGRAMS),
            "pgpass": str(folder / "pgpass"),
            "use_unix_socket": True,
            "use_unix_socket_repl": True,
            "authentication": {
                "superuser": {"username": SUPERUSER, "password": password},
                "replication": {"username": REPLICATOR, "password": password},
            },
            "parameters": _parameters(sockets),
            "pg_hba": [
                "local all all trust",
                "local replication all trust",
                f"host replication {REPLICATOR} {HOST}/32 scram-sha-256",
                f"host postgres {SUPERUSER} {HOST}/32 scram-sha-256",
            ],
            "basebackup": [{"checkpoint": "fast"}],
            # An old primary that cannot be turned back is copied anew.
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
        },
    }


def _shared() -> dict[str, Any]:
    """What both go by; etcd keeps it from the first start on."""
    return {
        "ttl": TTL_S,
        "loop_wait": LOOP_WAIT_S,
        "retry_timeout": RETRY_TIMEOUT_S,
        # Commits wait for the standby. One that has gone is taken out, and is promoted by nobody until it
        # has caught up: what the primary acknowledged alone must not be lost.
        "synchronous_mode": True,
        "failsafe_mode": True,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "parameters": {name: SETTINGS[name] for name in SHARED} | {"wal_keep_size": "256MB"},
        },
    }


def _initdb() -> list[Any]:
    options = {"encoding": "UTF8", "locale": "C"}
    options |= {"locale-provider": "builtin", "builtin-locale": "C.UTF-8"}
    return [{name: value} for name, value in options.items()] + ["data-checksums"]


def _parameters(sockets: Path) -> dict[str, str]:
    own = {name: value for name, value in SETTINGS.items() if name not in ITS_OWN | SHARED}
    return own | {
        "unix_socket_directories": str(sockets),
        "shared_buffers": shared_buffers(),
        "max_slot_wal_keep_size": "1GB",
        "wal_retrieve_retry_interval": "200ms",
    }
