"""The background process: the workers of all services (relay, sweepers, consumers) in one loop.

Services with a URL are reached over HTTP. The others are also in this process, so events need no network
in `stampede up`. Several of these processes may run: they share the work.
"""

import asyncio
import importlib
import os
import signal

import uvloop

from chassis import settings
from chassis.observability import logs
from chassis.observability.exposition import count_together
from chassis.observability.telemetry import exported
from chassis.observability.vitals import disk_sample
from chassis.process_memory import settle_memory
from runtime.compose import compose
from runtime.embedded import has_cluster, running_urls
from runtime.parent import watch_parent
from runtime.services import SERVICES
from runtime.telling import told_on
from runtime.wall.publishing import published

NICENESS = 10  # on a busy machine, sales come before mails
log = logs.get("worker")


async def run(loaded: settings.Settings) -> None:
    """Runs until SIGTERM or SIGINT. If a service's workers fail, that is a bug and ends the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    local = [name for name in SERVICES if getattr(loaded, f"{name}_url") is None]
    platform = compose(loaded, local)
    if running_urls(loaded.data_dir) is not None or has_cluster(loaded.data_dir):
        platform.wiring.vitals.watch(disk_sample(loaded.data_dir))
    async with (
        exported(platform.wiring.tracer, "stampede" if len(local) == len(SERVICES) else "worker"),
        platform.wiring.vitals.shown("worker"),
        platform.running(),
        told_on(loaded.host, loaded.worker_port),
        published(platform.wiring.redis_url, "worker"),
        asyncio.TaskGroup() as group,
    ):
        settle_memory()
        log.info("worker_started", services=",".join(local))
        group.create_task(platform.wiring.broker.run(stop), name="consumers")
        for name in SERVICES:
            workers = importlib.import_module(f"{name}.workers")
            group.create_task(workers.run(platform.wiring, stop), name=f"{name}-workers")
    log.info("worker_stopped")
    logs.flush()


def main() -> None:
    os.nice(NICENESS)
    loaded = settings.load()
    logs.configure(
        loaded.log_dir,
        log_format=loaded.log_format,
        files_max_bytes=loaded.log_files_max_mb * 1_000_000,
    )
    count_together()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(loaded))


if __name__ == "__main__":
    watch_parent()
    main()
