"""`stampede up` and `stampede serve X`: servers, schemas and demo data, then the processes that serve.

This process only starts others, and stays for as long as they run. So it loads what a role needs when it
needs it: a service is back sooner, and less memory is kept.
"""

import asyncio
import base64
import contextlib
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from chassis import settings
from chassis.settings import Settings
from runtime.embedded import ServerUrls, has_cluster, running_urls
from runtime.services import PORTS, SANDBOX, SERVICES, check_schemas, migrate_all, schemas_of
from runtime.serving import is_up, port_of
from runtime.supervisor import Child, Servers, Supervisor

if TYPE_CHECKING:
    from runtime.demo import DemoAccounts
    from runtime.embedded import ClusterServers, EmbeddedServers

Say = Callable[[str], None]
WEB_STOP_TIMEOUT_S = 12.0
# Of `serve`, by default. Longer than upstreams keep idle connections (chassis.seam.upstream), so that no
# connection is closed just as somebody uses it; a balancer that looks every two seconds has looked twice.
DRAIN_S = 6.0
# The server URLs that each role needs. With them it gets no credentials of other servers.
USES = {
    "gateway": ("redis_url",),
    "identity": ("database_url",),
    "catalog": ("database_url",),
    "booking": ("database_url", "redis_url"),
    "notification": ("database_url",),
    "sandbox": ("database_url",),
}
SIGNERS = {"booking", "sandbox"}  # who signs or verifies with the webhook secret, beside the worker
HERE = {"localhost", "127.0.0.1", "::1"}  # hosts that only this machine can reach


class StartError(Exception):
    """The platform cannot start. One sentence says what to do."""


def up(loaded: Settings, say: Say) -> int:
    """Runs everything on this machine. Blocks until told to stop; returns the exit code."""
    check_provider(loaded)
    check_port(loaded)
    check_broker(loaded)
    check_redis(loaded)
    loaded = with_webhook_secret(loaded)
    started = Start(loaded, say, lambda it: [web_child(it, "everything"), worker_child(it)])
    servers = embedded_servers(loaded)
    supervisor = Supervisor(servers, started.children, on_event=supervised_events(say))
    return supervisor.run(started.ready)


def serve(loaded: Settings, role: str, say: Say) -> int:
    """Runs one service. Uses the servers given by URLs, or those running in the data directory."""
    if role in {"booking", "sandbox"}:
        check_provider(loaded)
    own_url = loaded.provider_options.get("url") if role == "sandbox" else None
    if role in SERVICES:
        own_url = getattr(loaded, f"{role}_url")
    port = loaded.port if loaded.port != Settings().port else port_of(own_url, PORTS[role])
    drain_s = DRAIN_S if loaded.drain_s is None else loaded.drain_s
    loaded = msgspec.structs.replace(loaded, port=port, drain_s=drain_s)
    check_port(loaded)
    if role in {"gateway", "booking"}:
        check_redis(loaded)
    if role in SIGNERS:
        loaded = with_webhook_secret(loaded)
    servers, loaded = attached(loaded, USES[role])

    def children(urls: ServerUrls | None) -> Sequence[Child]:
        complete = with_urls(loaded, urls)
        if role != "gateway":
            names = [SANDBOX] if role == SANDBOX else schemas_of(complete, (role,))
            asyncio.run(_check_database(complete, names))
        return [web_child(complete, role)]

    def ready() -> None:
        say(f"{role} serves on http://{loaded.host}:{loaded.port}")

    return Supervisor(servers, children, on_event=supervised_events(say)).run(ready)


def work(loaded: Settings, say: Say) -> int:
    """The background process alone."""
    check_provider(loaded)
    if loaded.worker_port is not None:
        check_port(msgspec.structs.replace(loaded, port=loaded.worker_port))
    check_broker(loaded)
    check_redis(loaded)
    servers, loaded = attached(with_webhook_secret(loaded))

    def children(urls: ServerUrls | None) -> Sequence[Child]:
        complete = with_urls(loaded, urls)
        asyncio.run(_check_database(complete, schemas_of(complete)))
        return [worker_child(complete)]

    return Supervisor(servers, children, on_event=supervised_events(say)).run(
        lambda: say("worker runs")
    )


def embedded_servers(loaded: Settings) -> "EmbeddedServers | None":
    """The servers that no URL names. None if both have a URL."""
    postgres, redis = loaded.database_url is None, loaded.redis_url is None
    if not postgres and not redis:
        return None
    from runtime.embedded import EmbeddedServers

    return EmbeddedServers(loaded.data_dir, postgres=postgres, redis=redis)


def cluster_servers(loaded: Settings) -> "ClusterServers":
    """Those of a cluster on this machine, without what a URL names."""
    from runtime.embedded import ClusterServers, ServerPorts

    return ClusterServers(
        loaded.data_dir,
        ServerPorts.beside(loaded.port),
        postgres=loaded.database_url is None,
        redis=loaded.redis_url is None,
        nats=loaded.nats_url is None,
        promoter=loaded.promoter,
    )


def is_clusters(loaded: Settings) -> bool:
    """Whether a command means a cluster's data: by the topology, or because there are no others."""
    alone = has_cluster(loaded.data_dir) and not (loaded.data_dir / "postgres").is_dir()
    return loaded.topology == "cluster" or alone


def attached(
    loaded: Settings, used: Sequence[str] = ("database_url", "redis_url")
) -> tuple[Servers | None, Settings]:
    """The servers to start. None if those that are `used` have URLs, or if another process already runs
    them on this data directory."""
    servers = embedded_servers(loaded)
    if servers is None or all(getattr(loaded, url) is not None for url in used):
        return None, loaded
    urls = running_urls(loaded.data_dir)
    return (servers, loaded) if urls is None else (None, with_urls(loaded, urls))


def with_urls(loaded: Settings, urls: ServerUrls | None) -> Settings:
    """Settings with the missing server URLs filled in."""
    if urls is None:
        return loaded
    return msgspec.structs.replace(
        loaded,
        database_url=loaded.database_url or urls.database_url,
        redis_url=loaded.redis_url or urls.redis_url,
        nats_url=loaded.nats_url or urls.nats_url or None,
    )


def web_child(loaded: Settings, role: str) -> Child:
    return Child(
        name="web" if role == "everything" else role,
        argv=[sys.executable, "-m", "runtime.serving", role],
        env=child_environ(loaded),
        ready=lambda: is_up(loaded),
        stop_timeout_s=WEB_STOP_TIMEOUT_S + (loaded.drain_s or 0.0),
        reload_signal=signal.SIGHUP,  # Granian's; see runtime.serving
        counted_with=f"{role}-{loaded.port}",
    )


def worker_child(loaded: Settings) -> Child:
    return Child(
        name="worker",
        argv=[sys.executable, "-m", "runtime.worker"],
        env=child_environ(loaded),
        ready=None,
        counted_with=f"everything-{loaded.port}",  # its figures are on the gateway's /metrics
    )


def child_environ(loaded: Settings) -> dict[str, str]:
    """This process's environment with these settings, and with our code first on the path."""
    environ = settings.inherited_environ()
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [root, environ.get("PYTHONPATH")]))
    return environ | settings.to_environ(loaded) | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def with_webhook_secret(loaded: Settings) -> Settings:
    """Settings with a secret of this installation if none was given. With a known secret, anybody could
    sign a payment that never happened."""
    if loaded.webhook_secret:
        return loaded
    path = loaded.data_dir / "webhook-secret"
    loaded.data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        made = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode("ascii")
        with tempfile.NamedTemporaryFile("w", dir=loaded.data_dir) as file:  # mode 0600
            file.write(made)
            file.flush()
            with contextlib.suppress(FileExistsError):  # another process created it first
                os.link(file.name, path)
    return msgspec.structs.replace(loaded, webhook_secret=(path.read_text().strip(),))


def check_provider(loaded: Settings) -> None:
    """Raises SettingsError if the payment provider's settings are wrong."""
    from booking.providers.registry import check_settings

    check_settings(loaded)


def check_port(loaded: Settings) -> None:
    """Raises StartError if another program listens there."""
    family = socket.AF_INET6 if ":" in loaded.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((loaded.host, loaded.port))
        except OSError as refused:
            raise StartError(
                f"Cannot listen on {loaded.host}:{loaded.port} ({refused.strerror}); "
                "stop the program that uses it, or choose another port with --port."
            ) from None


def check_broker(loaded: Settings) -> None:
    """Raises StartError if the configured broker does not answer. Later it may come and go."""
    if loaded.nats_url is not None:
        from chassis.events.nats.link import NatsUnreachable, check

        try:
            asyncio.run(check(loaded.nats_url))
        except NatsUnreachable as wrong:
            raise StartError(str(wrong)) from None


def check_redis(loaded: Settings) -> None:
    """Raises StartError when the Redis that is named cannot be used. One that is away may come."""
    if loaded.redis_url is not None:
        from chassis.redis.discovery import Unusable, check

        try:
            asyncio.run(check(loaded.redis_url))
        except Unusable as wrong:
            raise StartError(str(wrong)) from None


def _database(loaded: Settings) -> str:
    assert loaded.database_url is not None, "the servers are up by now"
    return loaded.database_url


async def _check_database(loaded: Settings, schemas: Sequence[str]) -> None:
    """Raises PoolerError or MigrationError if this code cannot work on what is there."""
    from chassis.postgres.pooler import check_pooler

    await check_pooler(_database(loaded), loaded.database_direct_url, schemas)
    await check_schemas(loaded.direct_url, schemas)


def supervised_events(say: Say) -> Callable[[str, dict[str, object]], None]:
    """Prints only what an operator must know: deaths and restarts, not normal starts."""

    def tell(event: str, facts: dict[str, object]) -> None:
        if event in {"child_died", "child_gave_up", "child_killed", "server_died"}:
            said = " ".join(f"{key}={value}" for key, value in facts.items())
            say(f"{event} {said}")

    return tell


class Start:
    """The steps between the servers' start and the first request. `processes`: what then starts."""

    def __init__(
        self, loaded: Settings, say: Say, processes: Callable[[Settings], Sequence[Child]]
    ) -> None:
        self._loaded = loaded
        self._given = loaded.database_url is not None
        self._say = say
        self._processes = processes
        self._accounts: DemoAccounts | None = None
        self._left: list[str] = []

    def children(self, urls: ServerUrls | None) -> Sequence[Child]:
        self._loaded = with_urls(self._loaded, urls)
        asyncio.run(self._prepare())
        return self._processes(self._loaded)

    async def _prepare(self) -> None:
        await self._migrate()
        from runtime.demo import accounts_left

        if self._loaded.demo:
            from identity.administration import AnotherPassword
            from runtime.compose import compose
            from runtime.demo import load_demo

            async with compose(self._loaded, SERVICES).running() as platform:
                try:
                    self._accounts = await load_demo(platform)
                except AnotherPassword:
                    raise StartError(
                        "The demo cannot be loaded: another account here has the address of "
                        "one of its accounts. Start with --no-demo, or in another data directory."
                    ) from None
        else:
            self._left = await accounts_left(self._loaded.direct_url)

    async def _migrate(self) -> None:
        """Other machines may run older code on a database that was given to us, so only expands there."""
        from chassis.postgres.migration_files import Phase
        from chassis.postgres.pooler import check_pooler

        phase = Phase.EXPAND if self._given else None
        names = schemas_of(self._loaded)
        await check_pooler(_database(self._loaded), self._loaded.database_direct_url, names)
        await migrate_all(self._loaded.direct_url, names, phase=phase)
        await check_schemas(self._loaded.direct_url, names)

    def ready(self) -> None:
        for line in where_to_look(self._loaded, self._accounts):
            self._say(line)
        for line in warnings(self._loaded, self._left):
            self._say(line)


def command(name: str = "stampede") -> str:
    """How to call the command from here: after `make run` it is not in the PATH."""
    beside = Path(sys.executable).with_name(name)
    if shutil.which(name) or not beside.is_file():
        return name
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)


def warnings(loaded: Settings, left: Sequence[str]) -> list[str]:
    """Warnings about open access. `left`: accounts of an earlier demo."""
    lines = []
    if left:
        lines += [
            "WARNING: this data contains the demo's accounts, whose passwords are public:",
            f"  {', '.join(left)}",
            "Start with a database or a data directory that never had the demo.",
            "",
        ]
    if loaded.demo and not {loaded.host, urlsplit(loaded.base_url).hostname} <= HERE:
        lines += [
            "WARNING: anybody who can reach this can log in as the demo's admin and read all mail.",
            "In production set STAMPEDE_DEMO=false from the first start.",
            "",
        ]
    return lines


def where_to_look(loaded: Settings, accounts: "DemoAccounts | None") -> list[str]:
    """The lines that a newcomer needs."""
    base = loaded.base_url
    lines = [
        "",
        f"Stampede is up.  Storefront  {base}/",
        f"                 API docs    {base}/docs",
        f"                 The wall    {base}/wall  (for operators and the admin)",
    ]
    if accounts is not None:
        if loaded.smtp_url is None:
            lines.append(f"                 Mailbox     {base}/dev/mailbox")
        lines += ["", "Demo accounts (password in brackets):"]
        lines += [f"  {a.role:<10} {a.email}  ({a.password})" for a in accounts.accounts]
    lines += [
        "",
        "A first look:",
        f"  curl -s '{base}/api/v1/shows?city=%E4%B8%8A%E6%B5%B7&page_size=3'",
        f"Logs in {loaded.data_dir / 'logs'}; one request in all of them: {command()} trace ID",
        "Ctrl-C stops everything.",
        "",
    ]
    return lines
