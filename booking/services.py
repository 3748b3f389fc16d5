"""Booking's objects, built by hand once a process: the same for the app and for the workers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import msgspec

from booking.blocking import Blocking
from booking.cancellation import expire_orders
from booking.orders import OrderPlacing
from booking.payments import Payments
from booking.providers.registry import OPENERS
from booking.seats.holds import LUA, SeatHolds
from booking.sessions import Buyers, Sessions
from booking.store.tickets import load_signing_keys
from booking.store.truth import Expire, PostgresTruth, database_now
from booking.ticket_codes import TicketCodes, make_keys
from booking.tickets import Tickets
from booking.webhooks import Webhooks
from chassis.client import ServiceClient
from chassis.clock import DatabaseClock
from chassis.postgres import Pool, open_pool
from chassis.redis import RedisCalls, load_scripts, open_redis
from chassis.wiring import Wiring

SCHEMA = "booking"


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """What routes and workers call."""

    pool: Pool
    clock: DatabaseClock
    holds: SeatHolds
    sessions: Sessions
    placing: OrderPlacing
    payments: Payments
    tickets: Tickets
    blocking: Blocking
    webhooks: Webhooks
    require_idempotency_key: bool


@asynccontextmanager
async def opened(wiring: Wiring) -> AsyncIterator[Booking]:
    """Booking over open pools, its signing keys made, its clock set."""
    settings = wiring.settings
    async with AsyncExitStack() as stack:
        pool = await open_pool(wiring.database_url, SCHEMA, size=settings.database_pool_size)
        stack.push_async_callback(pool.close)
        redis = RedisCalls(open_redis(wiring.redis_url), load_scripts(LUA))
        stack.push_async_callback(redis.close)
        provider = await stack.enter_async_context(OPENERS[settings.payment_provider](wiring))

        sessions = Sessions(ServiceClient(wiring.upstreams.catalog))
        holds = SeatHolds(
            redis,
            PostgresTruth(pool, layout=sessions.layout, expire=_expiring(pool)),
        )
        tickets = Tickets(
            pool, TicketCodes(await load_signing_keys(pool, make_keys), settings.base_url)
        )
        clock = DatabaseClock()
        clock.set(await database_now(pool))
        yield Booking(
            pool=pool,
            clock=clock,
            holds=holds,
            sessions=sessions,
            placing=OrderPlacing(
                pool,
                holds=holds,
                sessions=sessions,
                buyers=Buyers(ServiceClient(wiring.upstreams.identity)),
                clock=clock,
                hold_ttl_s=settings.hold_ttl_s,
            ),
            payments=Payments(pool, provider=provider, tickets=tickets, holds=holds),
            tickets=tickets,
            blocking=Blocking(pool, sessions=sessions, holds=holds),
            webhooks=Webhooks(
                pool,
                providers={provider.name: provider},
                secrets=settings.webhook_secret,
                tickets=tickets,
                holds=holds,
            ),
            require_idempotency_key=settings.require_idempotency_key,
        )


def _expiring(pool: Pool) -> Expire:
    async def expire(only: Sequence[UUID]) -> None:
        await expire_orders(pool, only=only)

    return expire
