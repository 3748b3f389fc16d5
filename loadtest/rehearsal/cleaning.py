"""Everything gone: of the rehearsal that ends, and of any that was killed.

    wait until nothing is under way ─▶ charges, taken events ─▶ Redis ─▶ orders, some people at a time
        ─▶ accounts ─▶ the shadow itself, by which a killed rehearsal is found ─▶ Redis again

Every step may be repeated, so a cleaning that was killed is begun again by the next one.
"""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import msgspec
import psutil

from booking.providers.sandbox import store as sandbox
from booking.rehearsals import store as booking
from booking.rehearsals.store import Since
from booking.seats.loaded import unload
from catalog.rehearsals import store as catalog
from catalog.rehearsals.store import FoundShadow
from chassis.postgres.pool import Pool, open_pool
from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Servers
from chassis.settings import Settings
from contracts import catalog as catalog_contract
from contracts import notification as notification_contract
from gateway.protection.limits import Bucket, Policies
from identity.administration import list_buyers, remove_buyers
from notification.rehearsals import store as notification

BUYERS = "rehearsal"  # how the addresses of its people begin
FOLDERS = (
    "stampede-rehearsal-"  # its files, in the folder for temporary ones: then its pid, and a dash
)
SETTLE_S = 30.0  # the provider is asked about a payment without an answer after 15 s
SETTLE_INTERVAL_S = 0.2
EVENTS_AT_ONCE = 1_000
KEYS_AT_ONCE = 500
POOL_SIZE = 2

Say = Callable[[str], None]
Item = TypeVar("Item")


class Manifest(msgspec.Struct, frozen=True):
    """What a rehearsal writes into its shadow, so that another one can clean up behind it. `position`: of the
    last event before it."""

    source: UUID
    people: int
    started: str
    by: str
    position: int

    def text(self) -> str:
        return msgspec.json.encode(self).decode()


class Stores(msgspec.Struct, frozen=True):
    """Connections of the rehearsal's own to everything that it writes to or cleans."""

    loaded: Settings
    catalog: Pool
    booking: Pool
    notification: Pool
    sandbox: Pool
    redis: RedisCalls


@contextlib.asynccontextmanager
async def opened(loaded: Settings) -> AsyncIterator[Stores]:
    assert loaded.database_url is not None
    assert loaded.redis_url is not None
    direct = loaded.database_direct_url
    async with contextlib.AsyncExitStack() as stack:
        pools = {}
        for name in ("catalog", "booking", "notification", "sandbox"):
            pool = await open_pool(loaded.database_url, name, size=POOL_SIZE, direct_url=direct)
            stack.push_async_callback(pool.close)
            pools[name] = pool
        redis = RedisCalls(Servers(loaded.redis_url), {})
        stack.push_async_callback(redis.close)
        yield Stores(loaded, redis=redis, **pools)


async def clean_all(stores: Stores, say: Say, *, settle_s: float = SETTLE_S) -> int:
    """Removes every shadow that is there and all buyers of rehearsals. Returns the number of shadows. Only
    for the one who holds booking.rehearsals.store.alone."""
    shadows = await catalog.list_shadows(stores.catalog)
    for shadow in shadows:
        say(f"Removing the rehearsal of {shadow.created_at:%Y-%m-%d %H:%M} UTC ...")
        since = Since(shadow.created_at, _position(shadow))
        await settle(stores, shadow.session_id, since, settle_s)
        await _remove(stores, shadow, since)
    await _remove_people(stores)
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        pid = folder.name.removeprefix(FOLDERS).partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
    return len(shadows)


def _position(shadow: FoundShadow) -> int:
    try:
        return msgspec.json.decode(shadow.manifest, type=Manifest).position
    except msgspec.MsgspecError:
        return 0


async def settle(
    stores: Stores, session_id: UUID, since: Since, settle_s: float = SETTLE_S
) -> bool:
    """Waits until every event has been taken and every payment decided and told. False: not in time."""
    give_up = time.monotonic() + settle_s
    while True:
        waiting = await booking.waiting(stores.booking, session_id)
        if (
            not waiting.events
            and not waiting.payments
            and await _all_told(stores, session_id, since)
        ):
            return True
        if time.monotonic() > give_up:
            return False
        await asyncio.sleep(SETTLE_INTERVAL_S)


async def _all_told(stores: Stores, session_id: UUID, since: Since) -> bool:
    """A broker between the services may still have events though the outbox is empty."""
    async for orders in booking.order_pages(stores.booking, session_id):
        payments = await booking.payments_of(stores.booking, orders)
        if await sandbox.count_untold(stores.sandbox, payments):
            return False
        events = await booking.events_of(stores.booking, orders, since)
        for pool, store, types in (
            (stores.catalog, catalog, catalog_contract.SUBSCRIBES_TO),
            (stores.notification, notification, notification_contract.SUBSCRIBES_TO),
        ):
            wanted = [one for one, kind in events.items() if kind in types]
            for some in _parts(wanted, EVENTS_AT_ONCE):
                if await store.count_taken(pool, some) < len(some):
                    return False
    return True


async def _remove(stores: Stores, shadow: FoundShadow, since: Since) -> None:
    session_id = shadow.session_id
    async for orders in booking.order_pages(stores.booking, session_id):
        payments = await booking.payments_of(stores.booking, orders)
        await sandbox.remove_charges(stores.sandbox, payments)
        events = await booking.events_of(stores.booking, orders, since)
        for some in _parts(list(events), EVENTS_AT_ONCE):
            await catalog.forget_events(stores.catalog, some)
            await notification.forget_events(stores.notification, some)
    await unload(stores.redis, session_id)
    while await booking.remove_some(stores.booking, session_id, since):
        pass
    await catalog.remove_shadow(stores.catalog, shadow)
    await unload(stores.redis, session_id)


async def _remove_people(stores: Stores) -> None:
    """Their accounts and logins, and what the gateway counts them by."""
    database_url = stores.loaded.direct_url
    people = await list_buyers(database_url, prefix=BUYERS)
    user = Policies(stores.loaded).user
    await remove_keys(stores, [Bucket.of(user, str(one)).key for one in people])
    await remove_buyers(database_url, prefix=BUYERS)


async def remove_keys(stores: Stores, keys: Sequence[str]) -> None:
    for some in _parts(keys, KEYS_AT_ONCE):
        await stores.redis.submit_each([("UNLINK", key) for key in some])


def _parts(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
