"""Notification's ASGI app: receives events, manages webhook endpoints, and shows the mailbox in demo mode."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from chassis.events.inbox import Inbox
from chassis.http.service import service_app
from chassis.observability import logs
from chassis.problems import Unavailable
from chassis.seam.client import ServiceClient
from chassis.wiring import Wiring
from notification.consumer import take_effect
from notification.mailbox.routes import MailboxPages, mailbox_routes
from notification.messages import store
from notification.routes import INTERNAL_ROUTES
from notification.webhooks.connecting import Addresses, Destinations
from notification.webhooks.endpoints import OutsideChecks
from notification.webhooks.routes import WEBHOOK_ROUTES

NAME = "notification"


def create_app(wiring: Wiring) -> Litestar:
    """Builds the app and its objects."""
    pages = MailboxPages(wiring.settings)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        addresses = Addresses()
        pool = await wiring.open_pool(NAME, size=wiring.settings.database_pool_size)
        try:
            app.state.pool = pages.pool = pool
            app.state.webhook_checks = OutsideChecks(
                Destinations(addresses.look, allow_private=wiring.settings.webhook_allow_private),
                ServiceClient(wiring.upstreams.catalog),
            )
            app.state.inbox = Inbox(pool, NAME, take_effect, logs.get(NAME))
            yield
        finally:
            addresses.close()
            await pool.close()

    return service_app(
        NAME,
        wiring,
        routes=[*INTERNAL_ROUTES, *WEBHOOK_ROUTES, *mailbox_routes(pages)],
        lifespan=lifespan,
        ready=_ready,
        is_open=lambda app: not app.state.pool.is_closing(),
    )


async def _ready(app: Litestar) -> dict[str, bool]:
    try:
        return {"postgresql": await store.is_up(app.state.pool)}
    except Unavailable:
        return {"postgresql": False}
