"""Opens the sandbox: in booking's process, or at STAMPEDE_SANDBOX_URL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from booking.providers.options import read_options
from booking.providers.protocol import Provider
from booking.providers.sandbox.adapter import DEADLINE_S, SandboxProvider
from booking.providers.sandbox.app import SandboxApp
from booking.providers.sandbox.controls import SandboxOptions, Steering
from booking.providers.sandbox.deliverer import Deliverer
from booking.providers.sandbox.near import NearClient
from booking.providers.sandbox.store import open_books
from chassis.postgres.pool import Pool
from chassis.seam.client import ServiceClient
from chassis.seam.upstream import HttpUpstream
from chassis.settings import Settings
from chassis.wiring import Wiring

WEBHOOK_PATH = "/api/v1/payments/webhooks/sandbox"
WEBHOOK_DEADLINE_S = 10.0


def read_settings(settings: Settings) -> SandboxOptions:
    """Raises SettingsError."""
    return read_options(SandboxOptions, "sandbox", settings.provider_options)


@contextlib.asynccontextmanager
async def open_provider(wiring: Wiring, _pool: Pool) -> AsyncIterator[Provider]:
    options = read_settings(wiring.settings)
    secrets = wiring.settings.webhook_secret
    direct_url = wiring.settings.database_direct_url
    if options.url is not None:
        async with _http(options.url) as upstream:
            yield SandboxProvider(
                ServiceClient(upstream, deadline_s=DEADLINE_S, stage="provider"), secrets
            )
        return
    async with opened(wiring.database_url, options, direct_url=direct_url) as (_, _, app):
        yield SandboxProvider(NearClient(app, deadline_s=DEADLINE_S, stage="provider"), secrets)


async def run_background(wiring: Wiring, stop: asyncio.Event) -> None:
    """Sends the webhooks of a sandbox in booking's process, through the seam."""
    options = read_settings(wiring.settings)
    if options.url is not None:  # it sends its own webhooks
        return
    if not wiring.settings.webhook_secret:  # nobody could verify its webhooks
        return
    direct_url = wiring.settings.database_direct_url
    async with opened(wiring.database_url, options, direct_url=direct_url) as (pool, steering, _):
        client = ServiceClient(wiring.upstreams.booking, deadline_s=WEBHOOK_DEADLINE_S)
        secret = wiring.settings.webhook_secret[0]
        await Deliverer(pool, steering, client, WEBHOOK_PATH, secret=secret).run(stop)


@contextlib.asynccontextmanager
async def running_alone(settings: Settings) -> AsyncIterator[SandboxApp]:
    """The provider in a process of its own (`stampede serve sandbox`): its app, and webhooks over HTTP."""
    assert settings.database_url is not None, "the caller sets it"
    options = read_settings(settings)
    target = urlsplit(options.webhook_url)
    stop = asyncio.Event()
    async with (
        opened(settings.database_url, options, direct_url=settings.database_direct_url) as (
            pool,
            steering,
            app,
        ),
        _http(f"{target.scheme}://{target.netloc}") as upstream,
        asyncio.TaskGroup() as group,
    ):
        client = ServiceClient(upstream, deadline_s=WEBHOOK_DEADLINE_S)
        path = target.path + (f"?{target.query}" if target.query else "")
        secret = settings.webhook_secret[0]
        deliverer = Deliverer(pool, steering, client, path or "/", secret=secret)
        group.create_task(deliverer.run(stop))
        try:
            yield app
        finally:
            stop.set()


@contextlib.asynccontextmanager
async def opened(
    database_url: str, options: SandboxOptions, *, direct_url: str | None = None
) -> AsyncIterator[tuple[Pool, Steering, SandboxApp]]:
    pool = await open_books(database_url, direct_url)
    try:
        steering = Steering(pool, options.controls())
        app = SandboxApp(pool, steering)
        yield pool, steering, app
        await app.drain()
    finally:
        await pool.close()


@contextlib.asynccontextmanager
async def _http(url: str) -> AsyncIterator[HttpUpstream]:
    upstream = HttpUpstream(url)
    await upstream.open()
    try:
        yield upstream
    finally:
        await upstream.close()
