"""`stampede up --topology cluster`, and what it does when it is asked to."""

from collections.abc import Sequence
from pathlib import Path

from booking.providers.registry import check_settings
from chassis.settings import Settings
from runtime.embedded import ClusterServers, ServerUrls, running_urls
from runtime.embedded.nats import find_program
from runtime.starting import (
    Say,
    Start,
    StartError,
    check_broker,
    check_redis,
    cluster_servers,
    command,
    supervised_events,
    with_webhook_secret,
)
from runtime.supervisor import Child, Supervisor
from runtime.topology.balancer import choose_haproxy
from runtime.topology.control import Control, Job, Part, Reply, Request
from runtime.topology.failing import Failing
from runtime.topology.parts import parts_of, who_takes_over
from runtime.topology.processes import Ports, children


def up(loaded: Settings, say: Say) -> int:
    """Runs a cluster on this machine. Blocks until told to stop; returns the exit code."""
    check_settings(loaded)
    haproxy = choose_haproxy(loaded.balancer)
    ports = Ports(loaded.port, loaded.workers, balanced=haproxy is not None)
    if running_urls(loaded.data_dir) is None:  # else the sentence is that these data are in use
        ports.check(loaded)
    check_broker(loaded)
    check_redis(loaded)
    loaded = with_webhook_secret(loaded)
    return Cluster(loaded, ports, cluster_servers(loaded), say, haproxy).run()


class Cluster:
    """The supervisor of the processes, with a control beside it."""

    def __init__(
        self,
        loaded: Settings,
        ports: Ports,
        servers: ClusterServers,
        say: Say,
        haproxy: Path | None,
    ) -> None:
        self._ports, self._servers, self._say = ports, servers, say
        self._no_nats = loaded.nats_url is None and find_program() is None
        self._start = Start(loaded, say, lambda complete: children(complete, ports, haproxy))
        self._control = Control(self._begin)
        self._supervisor = Supervisor(
            servers,
            self._children,
            on_event=supervised_events(say),
            each_tick=self._control.poll,
            drains=False,
        )
        self._failing = Failing(servers, self._supervisor)

    def run(self) -> int:
        try:
            return self._supervisor.run(self._ready)
        finally:
            self._control.close()

    def parts(self) -> list[Part]:
        return parts_of(self._servers, self._supervisor, self._ports)

    def _children(self, urls: ServerUrls | None) -> Sequence[Child]:
        assert urls is not None
        self._control.listen(Path(urls.control))
        return self._start.children(urls)

    def _ready(self) -> None:
        self._start.ready()
        if self._no_nats:
            self._say("No nats-server is installed: events go through the broker in memory.")
        for line in who_takes_over(self._servers, self._ports):
            self._say(line)
        self._say(f"A cluster of {len(self.parts())} processes: {command()} status lists them, and")
        self._say(f"{command()} failover valkey|postgresql|nats|SERVICE kills one.")

    def _begin(self, request: Request) -> Job:
        if request.do == "status":
            for line in who_takes_over(self._servers, self._ports):
                yield Reply(line)
            yield Reply(parts=self.parts())
        elif request.do == "failover":
            yield from self._failing.fail_over(
                request.name, force=request.force, planned=request.planned
            )
        else:
            yield from self._failing.restart_all()


def control_of(data_dir: Path) -> str:
    """Where the topology that runs on this data directory listens. Raises StartError: none does."""
    urls = running_urls(data_dir)
    if urls is None:
        raise StartError(
            f"No topology is running on {data_dir}: start one with"
            f" `{command()} up --topology cluster`."
        )
    if not urls.control:
        raise StartError(
            f"What is running on {data_dir} is a single machine, which has nothing to fail over to:"
            f" start it with `{command()} up --topology cluster`."
        )
    return urls.control
