"""Builds booking's objects once a process; the app and the workers use the same."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from uuid import UUID

import msgspec

from booking.cancelled_sessions.cancelling import SessionCancelling
from booking.clients.catalog import Sessions
from booking.clients.identity import KnownAccounts
from booking.domain.door import DoorHours
from booking.door.lists import DoorLists
from booking.door.offline import OfflineScans
from booking.door.scanning import Door
from booking.door.staff import DoorStaff
from booking.operations.actions import Actions
from booking.operations.controls import SaleControls
from booking.operations.dead_letters import DeadLetters
from booking.operations.steering import SaleSteering
from booking.operations.traces import Traces
from booking.orders.cooldown import CoolingMemory
from booking.orders.expiry import expire_orders
from booking.orders.placing import OrderPlacing
from booking.payments.batched_outcomes import BatchedOutcomes
from booking.payments.callbacks import Webhooks
from booking.payments.paying import Payments
from booking.promo_codes.guessing import PromoGuesses
from booking.promo_codes.managing import PromoCodes
from booking.providers.protocol import Provider
from booking.providers.registry import open_provider
from booking.refunds.deciding import Refunds
from booking.refunds.sending import RefundSending
from booking.reports.reading import Reports
from booking.seats.blocking import Blocking
from booking.seats.holds import LUA, SeatHolds
from booking.seats.store import Expire, PostgresClaims, database_now
from booking.tickets.codes import TicketCodes, make_keys
from booking.tickets.issuing import TicketIssuing
from booking.tickets.readers import Readers
from booking.tickets.showing import Tickets, open_lanes
from booking.tickets.store import load_signing_keys
from booking.tickets.transfers import Transfers
from chassis.clock import DatabaseClock
from chassis.postgres.pool import Pool
from chassis.redis.scripts import RedisCalls, load_scripts
from chassis.redis.servers import Servers
from chassis.seam.client import ServiceClient
from chassis.settings import Settings
from chassis.wiring import Wiring

SCHEMA = "booking"
CONSUMERS = ("catalog", "notification")  # services with dead letters, each of one consumer

OpenProvider = Callable[[Wiring, Pool], AbstractAsyncContextManager[Provider]]


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    """What operators call, and what this process knows of their controls."""

    controls: SaleControls
    steering: SaleSteering
    actions: Actions
    dead_letters: DeadLetters
    traces: Traces


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """The objects that routes and workers call."""

    pool: Pool
    clock: DatabaseClock
    provider: Provider
    notification: ServiceClient
    buyers: KnownAccounts
    holds: SeatHolds
    sessions: Sessions
    placing: OrderPlacing
    payments: Payments
    tickets: Tickets
    readers: Readers
    issuing: TicketIssuing
    transfers: Transfers
    promo_codes: PromoCodes
    guesses: PromoGuesses
    blocking: Blocking
    webhooks: Webhooks
    refunds: Refunds
    refund_sending: RefundSending
    session_cancelling: SessionCancelling
    codes: TicketCodes
    door: Door
    offline_scans: OfflineScans
    door_lists: DoorLists
    door_staff: DoorStaff
    reports: Reports
    operations: Operations
    require_idempotency_key: bool


@asynccontextmanager
async def opened(
    wiring: Wiring, *, open_provider: OpenProvider = open_provider
) -> AsyncIterator[Booking]:
    """Booking with open pools, signing keys and a clock that is set."""
    settings = wiring.settings
    async with AsyncExitStack() as stack:
        pool = await wiring.open_pool(SCHEMA, size=settings.database_pool_size)
        stack.push_async_callback(pool.close)
        redis = RedisCalls(Servers(wiring.redis_url), load_scripts(LUA))
        stack.push_async_callback(redis.close)
        provider = await stack.enter_async_context(open_provider(wiring, pool))

        catalog = ServiceClient(wiring.upstreams.catalog)
        identity = ServiceClient(wiring.upstreams.identity)
        sessions = Sessions(catalog)
        claims = PostgresClaims(pool, seating=sessions.seating, expire=_expiring(pool))
        holds = SeatHolds(redis, claims, clock=wiring.clock)
        codes = TicketCodes(await load_signing_keys(pool, make_keys), settings.base_url)
        lanes = await stack.enter_async_context(open_lanes())
        issuing = TicketIssuing(codes)
        outcomes = BatchedOutcomes(pool, tickets=issuing, holds=holds, provider=provider.name)
        buyers = KnownAccounts(identity)
        readers = Readers(buyers, settings.default_language)
        hours = door_hours(settings)
        guesses = PromoGuesses(pool, address_max=settings.promo_misses_per_address)
        operations = await _operations(wiring, pool, sessions, holds, buyers)
        clock = await _clock(pool)
        yield Booking(
            pool=pool,
            clock=clock,
            provider=provider,
            notification=ServiceClient(wiring.upstreams.notification),
            buyers=buyers,
            holds=holds,
            sessions=sessions,
            placing=OrderPlacing(
                pool,
                holds=holds,
                sessions=sessions,
                buyers=buyers,
                clock=clock,
                hold_ttl_s=settings.hold_ttl_s,
                guesses=guesses,
                cooling=CoolingMemory(clock=wiring.clock),
                controls=operations.controls,
            ),
            payments=Payments(pool, provider=provider, tickets=issuing, outcomes=outcomes),
            tickets=Tickets(pool, codes, lanes, readers),
            readers=readers,
            issuing=issuing,
            transfers=Transfers(pool, tickets=issuing, buyers=buyers),
            promo_codes=PromoCodes(pool, catalog),
            guesses=guesses,
            blocking=Blocking(pool, sessions=sessions, holds=holds),
            webhooks=Webhooks(pool, providers={provider.name: provider}, outcomes=outcomes),
            refunds=Refunds(pool, sessions=sessions, holds=holds),
            refund_sending=RefundSending(pool, provider=provider),
            session_cancelling=SessionCancelling(
                pool, sessions=sessions, holds=holds, catalog=catalog
            ),
            codes=codes,
            door=Door(pool, codes=codes, buyers=buyers, hours=hours),
            offline_scans=OfflineScans(pool, codes=codes, hours=hours),
            door_lists=DoorLists(pool, sessions=sessions, codes=codes, clock=clock, hours=hours),
            door_staff=DoorStaff(pool, sessions=sessions, buyers=buyers),
            reports=Reports(pool, sessions=sessions, buyers=buyers),
            operations=operations,
            require_idempotency_key=settings.require_idempotency_key,
        )


async def _operations(
    wiring: Wiring, pool: Pool, sessions: Sessions, holds: SeatHolds, accounts: KnownAccounts
) -> Operations:
    controls = SaleControls(pool, holds=holds)
    await controls.read()
    return Operations(
        traces=Traces(wiring.settings.log_dir),
        controls=controls,
        steering=SaleSteering(pool, sessions=sessions, controls=controls),
        actions=Actions(pool, accounts=accounts),
        dead_letters=DeadLetters(
            pool,
            services={name: ServiceClient(getattr(wiring.upstreams, name)) for name in CONSUMERS},
        ),
    )


async def _clock(pool: Pool) -> DatabaseClock:
    clock = DatabaseClock()
    clock.set(await database_now(pool))
    return clock


def door_hours(settings: Settings) -> DoorHours:
    """When doors open and close."""
    return DoorHours(
        opens_before=timedelta(seconds=settings.door_opens_before_s),
        closes_after=timedelta(seconds=settings.door_closes_after_s),
    )


def _expiring(pool: Pool) -> Expire:
    async def expire(only: Sequence[UUID]) -> None:
        await expire_orders(pool, only=only)

    return expire
