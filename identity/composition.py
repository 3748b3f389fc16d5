"""Identity's objects, built by hand once a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from chassis.postgres.pool import Pool, connection
from chassis.wiring import Wiring
from identity.attempts import Attempts
from identity.devices import Devices
from identity.hashing import HashingPool, threads_for
from identity.issuing import Issuer
from identity.keys import Keys, make_first_key
from identity.logins import Logins
from identity.password_store import PasswordStore
from identity.passwords import Passwords
from identity.profiles import Profiles
from identity.registration import Registrations
from identity.store import Store

SCHEMA = "identity"


class UseCases(msgspec.Struct, frozen=True, kw_only=True):
    """The objects that the routes call."""

    pool: Pool
    store: Store
    keys: Keys
    registrations: Registrations
    logins: Logins
    profiles: Profiles
    passwords: Passwords
    devices: Devices
    default_language: str


@asynccontextmanager
async def opened(wiring: Wiring, passwords: HashingPool | None = None) -> AsyncIterator[UseCases]:
    """The use cases over an open pool. `passwords`: a hashing pool to use instead of the default one."""
    settings, store = wiring.settings, Store()
    pool = await wiring.open_pool(SCHEMA, size=settings.database_pool_size)
    hashing = passwords or HashingPool(threads=threads_for(settings.workers))
    try:
        await make_first_key(pool, store)
        keys = Keys(pool, store, clock=wiring.clock)
        issuer = Issuer(store, keys, access_token_ttl_s=settings.access_token_ttl_s)
        password_store = PasswordStore()
        attempts = Attempts(pool, store, password_store, hashing)
        async with connection(pool) as db:
            device_key = await password_store.get_device_key(db)
        devices = Devices(
            device_key, secure=settings.base_url.startswith("https://"), clock=wiring.clock
        )
        yield UseCases(
            pool=pool,
            store=store,
            keys=keys,
            registrations=Registrations(
                pool=pool,
                store=store,
                passwords=hashing,
                issuer=issuer,
                attempts=attempts,
                devices=devices,
            ),
            logins=Logins(pool, store, issuer, attempts, devices),
            profiles=Profiles(pool, store),
            passwords=Passwords(
                pool=pool,
                store=store,
                password_store=password_store,
                hashing=hashing,
                issuer=issuer,
                attempts=attempts,
                devices=devices,
            ),
            devices=devices,
            default_language=settings.default_language,
        )
    finally:
        hashing.close()
        await pool.close()
