"""The worker's own port: `/metrics` of its server's processes, and `/healthz`, which answers while its event
loop does. For operators only: no gateway leads here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from chassis import settings
from chassis.concurrency.cache import FetchOnce
from chassis.observability.exposition import Exposition

METRICS_KEPT_S = 1.0
STOP_S = 1.0  # of a scrape under way


@asynccontextmanager
async def told_on(host: str, port: int | None) -> AsyncIterator[None]:
    """Serves there meanwhile; `port` None: nowhere. Raises OSError if the port is taken."""
    if port is None:
        yield
        return
    exposition = Exposition(settings.metrics_dir())

    async def write(_: str) -> bytes:
        return await exposition.text()

    written: FetchOnce[str, bytes] = FetchOnce(write, ttl_s=METRICS_KEPT_S, entries_max=1)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=await written.get(""), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "service": "worker"})

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()
