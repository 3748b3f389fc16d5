"""A PostgreSQL primary and its synchronous standby, run and promoted by Patroni with etcd.

    patroni = PatroniPair(folder, logs, account, ports, on_event, programs=find_programs())
    url = patroni.start(should_stop)        # names both servers; the caller then calls poll()
    patroni.kill(patroni.primary())         # as a machine that loses power: PostgreSQL and its Patroni
    patroni.restart("one")                  # comes back as the standby
    patroni.hand_over(patroni.primary())    # in order, without a kill
    patroni.stop()

Patroni starts PostgreSQL, and ends it when it ends. Here only the two Patronis and etcd are watched. Whoever
is primary is known to etcd, and to nobody else.
"""

import base64
import contextlib
import http.client
import secrets
import shutil
import signal
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from runtime.embedded.account import Account, let_reach, let_run, make_folder
from runtime.embedded.errors import EmbeddedError, StartCancelled
from runtime.embedded.etcd import etcd_spec, find_etcd, require_password
from runtime.embedded.patroni_config import HOST, PatroniPorts, configuration
from runtime.embedded.postgres import DATABASE, SUPERUSER, create_database
from runtime.embedded.process import ServerProcess, ServerSpec, first_line_pid, kill_in
from runtime.embedded.sockets import make_socket_dir
from runtime.embedded.spawning import PROBE_INTERVAL_S, OnEvent
from runtime.embedded.wheel import PROGRAMS

NAMES = ("one", "two")
WHOLE = "made"  # there once the first start has succeeded
PASSWORD = "password"  # the name of a file
READY_TIMEOUT_S = 120.0  # a first start copies the primary; a later one may wait for a lock to end
ASK_TIMEOUT_S = 2.0  # a busy machine, not a dead one
STOP_STEPS = ((signal.SIGTERM, 30.0),)


@dataclass(frozen=True)
class PatroniPrograms:
    patroni: Path
    etcd: Path


@dataclass(frozen=True)
class PatroniMember:
    """A PostgreSQL server as etcd knows it. `role`: primary, standby or away. A pid is 0 while it is down."""

    name: str
    role: str
    in_sync: bool
    pid: int
    port: int
    patroni_pid: int
    patroni_port: int


def find_programs() -> PatroniPrograms | None:
    """patroni beside this Python or in the PATH, and etcd. None if either is not installed."""
    found = shutil.which("patroni", path=sysconfig.get_path("scripts")) or shutil.which("patroni")
    etcd = find_etcd()
    return PatroniPrograms(Path(found).resolve(), etcd) if found and etcd else None


def choose_patroni(
    folder: Path, promoter: str, installed: PatroniPrograms | None
) -> PatroniPrograms | None:
    """Patroni if it shall run the PostgreSQL servers of the cluster in `folder`, otherwise None.

    `promoter` is auto, patroni or none. Data that are there decide for auto: to turn one kind into the other
    is a restore. Raises EmbeddedError if what is wanted is not possible.
    """
    made = {
        "patroni": (folder / "patroni" / WHOLE).exists(),
        "none": (folder / "postgres").is_dir(),
    }
    before = next((kind for kind, there in made.items() if there), "auto")
    if before not in {"auto", promoter} and promoter != "auto":
        how = "with" if before == "patroni" else "without"
        raise EmbeddedError(
            f"The data in {folder} were made {how} Patroni: choose another data directory,"
            " or name no promoter."
        )
    wanted = promoter if promoter != "auto" else before
    if wanted == "patroni" and installed is None:
        why = "The data here need Patroni" if before == "patroni" else "Patroni was asked for"
        raise EmbeddedError(
            f"{why}, but it is not installed with etcd: pip install 'stampede[patroni]', and your"
            " system's etcd (Debian: etcd-server)."
        )
    return None if wanted == "none" else installed


def accepts_writes(status: int, told: bytes) -> bool:
    """What a Patroni's answer to GET /primary means. 200 says no more than that it has the lock: one that
    had it before it was ended starts its server as a standby first, and then promotes it. The role is what
    the server says."""
    if status != 200:
        return False
    with contextlib.suppress(msgspec.DecodeError):
        return bool(msgspec.json.decode(told).get("role") == "primary")
    return False


class PatroniPair:
    """The servers `one` and `two`; at the very first start `one` is the primary.

    Call `start`, `poll` and `restart` from the main thread. A Patroni or etcd that died is started again; a
    server that was ended by `kill` stays down until `restart`.
    """

    def __init__(
        self,
        directory: Path,
        logs: Path,
        account: Account | None,
        ports: PatroniPorts,
        on_event: OnEvent,
        *,
        programs: PatroniPrograms,
    ) -> None:
        self._directory, self._account, self._ports = directory, account, ports
        self._programs = programs
        folder = directory / "etcd"
        self._etcd = ServerProcess(
            etcd_spec(
                programs.etcd,
                folder,
                logs / "etcd.log",
                account,
                client=ports.etcd,
                peer=ports.etcd_peer,
            ),
            on_event,
        )
        self._nodes = {name: ServerProcess(self._spec(name, logs), on_event) for name in NAMES}
        self._sockets: dict[str, Path] = {}

    @property
    def url(self) -> str:
        """Names both servers, always in the same order. Clients look for the one that accepts writes."""
        hosts = ",".join(quote(str(self._sockets[name]), safe="/") for name in NAMES)
        ports = ",".join(map(str, self._ports.postgres))
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={hosts}&port={ports}"

    @property
    def etcd(self) -> tuple[int, int]:
        """Its process id (0: down) and its port."""
        return self._etcd.pid or 0, self._ports.etcd

    def start(self, should_stop: Callable[[], bool] = lambda: False) -> str:
        """Returns `url` when there is a primary and its standby is in sync. Stored data are still there.

        Raises EmbeddedError or StartCancelled; what runs by then is ended by `stop`.
        """
        self._take_over()
        self._prepare()
        self._etcd.launch()
        self._wait(self._etcd.ready, should_stop)
        first = not (self._directory / WHOLE).exists()
        if first:
            require_password(self._ports.etcd, self._password())
        for name in NAMES[:1] if first else NAMES:
            self._nodes[name].launch()
        self._wait(lambda: bool(self.primary()), should_stop)
        if first:
            create_database(self._sockets[NAMES[0]], self._postgres_port(NAMES[0]))
            self._nodes[NAMES[1]].launch()
        self._wait(self.in_sync, should_stop)
        (self._directory / WHOLE).touch()
        return self.url

    def poll(self) -> None:
        for server in (self._etcd, *self._nodes.values()):
            server.poll()

    def members(self) -> list[PatroniMember]:
        known = self._members()
        return [self._member(name, known.get(name, {})) for name in NAMES]

    def primary(self, *, beside: str = "") -> str:
        """Who accepts writes and holds the lock, by their own word. "": nobody that is not `beside`."""
        for name in NAMES:
            if name != beside and self._nodes[name].pid is not None:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    if accepts_writes(*self._ask(name, "/primary")):
                        return name
        return ""

    def in_sync(self) -> bool:
        """True if commits wait for the standby, and Patroni may promote it."""
        return any(one.in_sync for one in self.members())

    def kill(self, name: str) -> None:
        """Like a machine that loses power."""
        kill_in(self._folder(name), self._programs.patroni.name)
        kill_in(self._folder(name) / "postgres", "postgres")
        self._nodes[name].stop()

    def restart(self, name: str) -> None:
        self._nodes[name].launch()

    def kill_etcd(self) -> None:
        """`poll` starts it again."""
        kill_in(self._etcd.spec.folder, self._programs.etcd.name)

    def hand_over(self, old: str) -> None:
        """Asks the primary to let its standby take its place. Returns at once."""
        new = NAMES[1 - NAMES.index(old)]
        asked = http.client.HTTPConnection(HOST, self._rest_port(old), timeout=ASK_TIMEOUT_S)
        credentials = f"{SUPERUSER}:{self._password()}".encode()
        with contextlib.closing(asked):
            asked.request(
                "POST",
                "/switchover",
                msgspec.json.encode({"leader": old, "candidate": new}),
                {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"},
            )

    def stop(self) -> None:
        """Ends the standby before the primary, so that it is not promoted by the way. Idempotent."""
        primary = self.primary()
        for name in sorted(NAMES, key=lambda one: one == primary):
            self._nodes[name].stop()
            kill_in(self._folder(name) / "postgres", "postgres")
        self._etcd.stop()
        for folder in self._sockets.values():
            shutil.rmtree(folder, ignore_errors=True)

    def _take_over(self) -> None:
        """Ends what an earlier owner left running. A killed one's Patronis are about to end by themselves."""
        for name in NAMES:
            self._nodes[name].take_over()
            kill_in(self._folder(name) / "postgres", "postgres")
        self._etcd.take_over()

    def _prepare(self) -> None:
        """The folders and Patroni's files. What a first start that was interrupted has left is removed."""
        if not (self._directory / WHOLE).exists():
            shutil.rmtree(self._directory, ignore_errors=True)
        for program in (self._programs.patroni, self._programs.etcd, PROGRAMS / "postgres"):
            let_run(program, self._account)
        if self._account is not None:
            let_reach(Path(sys.executable).resolve(), self._account)
        folders = [self._directory, self._etcd.spec.folder, *map(self._folder, NAMES)]
        for folder in folders:
            make_folder(folder, self._account)
            let_reach(folder, self._account)
        for name in NAMES:
            self._sockets[name] = make_socket_dir(self._folder(name), self._account)
            self._write(self._folder(name) / "patroni.yml", self._configuration(name))
            data = self._folder(name) / "postgres"
            if not (data / "global" / "pg_control").is_file():  # a copy that was interrupted
                shutil.rmtree(data, ignore_errors=True)

    def _configuration(self, name: str) -> bytes:
        made = configuration(
            name,
            self._folder(name),
            self._sockets[name],
            postgres=self._postgres_port(name),
            rest=self._rest_port(name),
            etcd=self._ports.etcd,
            password=self._password(),
        )
        return msgspec.json.encode(made)  # which is YAML, too

    def _password(self) -> str:
        """Of this pair, made at its first start."""
        path = self._directory / PASSWORD
        if not path.exists():
            self._write(path, secrets.token_urlsafe(24).encode())
        return path.read_text()

    def _write(self, path: Path, content: bytes) -> None:
        """For the account alone."""
        path.touch(mode=0o600)
        path.write_bytes(content)
        if self._account is not None:
            shutil.chown(path, self._account.uid, self._account.gid)

    def _wait(self, holds: Callable[[], bool], should_stop: Callable[[], bool]) -> None:
        give_up = time.monotonic() + READY_TIMEOUT_S
        while not holds():
            launched = [one for one in (self._etcd, *self._nodes.values()) if one.launched]
            dead = next((one for one in launched if one.pid is None), None)
            if dead is not None or time.monotonic() > give_up:
                why = dead or self._nodes[NAMES[0]]
                raise EmbeddedError(
                    f"{why.spec.name} did not start ({why.last_words()}): {why.spec.remedy}."
                )
            if should_stop():
                raise StartCancelled("The start was interrupted, and nothing is left running.")
            time.sleep(PROBE_INTERVAL_S)

    def _spec(self, name: str, logs: Path) -> ServerSpec:
        log, folder = logs / f"patroni-{name}.log", self._folder(name)
        return ServerSpec(
            name=f"patroni-{name}",
            program=self._programs.patroni,
            args=[str(folder / "patroni.yml")],
            folder=folder,
            log=log,
            account=self._account,
            ready=lambda _pid: self._answers(name),
            pid_file=folder / "patroni.pid",  # it writes none
            stale=[],
            stop_steps=STOP_STEPS,
            remedy=f"see {log}",
        )

    def _answers(self, name: str) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self._ask(name, "/liveness")[0] == 200
        return False

    def _members(self) -> dict[str, dict[str, Any]]:
        """As the first Patroni that answers has it from etcd."""
        for name in NAMES:
            if self._nodes[name].pid is not None:
                with contextlib.suppress(OSError, http.client.HTTPException, msgspec.DecodeError):
                    found = msgspec.json.decode(self._ask(name, "/cluster")[1])
                    return {one["name"]: one for one in found["members"]}
        return {}

    def _member(self, name: str, known: dict[str, Any]) -> PatroniMember:
        pid = first_line_pid(self._folder(name) / "postgres" / "postmaster.pid") or 0
        patroni_pid = self._nodes[name].pid or 0
        role, alive = known.get("role", ""), bool(patroni_pid and pid)
        streams = known.get("state") in {"streaming", "running"}
        return PatroniMember(
            name,
            "away" if not alive or not streams else "primary" if role == "leader" else "standby",
            alive and streams and role == "sync_standby",
            pid if alive else 0,
            self._postgres_port(name),
            patroni_pid,
            self._rest_port(name),
        )

    def _ask(self, name: str, path: str) -> tuple[int, bytes]:
        asked = http.client.HTTPConnection(HOST, self._rest_port(name), timeout=ASK_TIMEOUT_S)
        with contextlib.closing(asked):
            asked.request("GET", path)
            answer = asked.getresponse()
            return answer.status, answer.read()

    def _folder(self, name: str) -> Path:
        return self._directory / name

    def _postgres_port(self, name: str) -> int:
        return self._ports.postgres[NAMES.index(name)]

    def _rest_port(self, name: str) -> int:
        return self._ports.rest[NAMES.index(name)]
