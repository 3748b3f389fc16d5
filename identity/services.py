"""Identity's objects, built by hand once a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from chassis.postgres import Pool, open_pool
from chassis.wiring import Wiring
from identity.attempts import Attempts
from identity.hashing import HashingPool, threads_for
from identity.issuing import Issuer
from identity.keys import Keys, make_first_key
from identity.logins import Logins
from identity.profiles import Profiles
from identity.registration import Registrations
from identity.store import Store

SCHEMA = "identity"


class UseCases(msgspec.Struct, frozen=True, kw_only=True):
    """What the routes call."""

    pool: Pool
    store: Store
    keys: Keys
    registrations: Registrations
    logins: Logins
    profiles: Profiles


@asynccontextmanager
async def opened(wiring: Wiring, passwords: HashingPool | None = None) -> AsyncIterator[UseCases]:
    """The use cases over an open pool. `passwords`: another hashing pool than this process's share."""
    settings, store = wiring.settings, Store()
    pool = await open_pool(wiring.database_url, SCHEMA, size=settings.database_pool_size)
    hashing = passwords or HashingPool(threads=threads_for(settings.workers))
    try:
        await make_first_key(pool, store)
        keys = Keys(pool, store)
        issuer = Issuer(store, keys, access_token_ttl_s=settings.access_token_ttl_s)
        attempts = Attempts(pool, store, hashing)
        yield UseCases(
            pool=pool,
            store=store,
            keys=keys,
            registrations=Registrations(pool, store, hashing, issuer, attempts),
            logins=Logins(pool, store, issuer, attempts),
            profiles=Profiles(pool, store),
        )
    finally:
        hashing.close()
        await pool.close()
