"""What a service gets when it is built: the same in one process, over HTTP, and in tests."""

import time

import msgspec

from chassis.auth.tokens import Verifier
from chassis.clock import MachineClock
from chassis.draining import Drain
from chassis.events.broker import Broker
from chassis.observability.tracer import Tracer
from chassis.observability.vitals import Vitals
from chassis.postgres.metrics import pool_sample
from chassis.postgres.pool import Pool, open_pool
from chassis.seam.client import ServiceClient
from chassis.seam.upstream import Upstreams
from chassis.settings import Settings


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """What every service's `create_app(wiring)` takes; other arguments of it are for tests."""

    settings: Settings
    upstreams: Upstreams
    verifier: Verifier
    broker: Broker
    clock: MachineClock = time
    drain: Drain = msgspec.field(default_factory=Drain)
    vitals: Vitals = msgspec.field(default_factory=Vitals)
    tracer: Tracer | None = None  # None: this process traces nothing

    @property
    def database_url(self) -> str:
        if self.settings.database_url is None:
            raise ValueError("the composition root fills in the embedded server's URL")
        return self.settings.database_url

    async def open_pool(self, schema: str, *, size: int) -> Pool:
        """Connections that see only `schema`; chassis.postgres.pool has the contract."""
        direct_url = self.settings.database_direct_url
        pool = await open_pool(self.database_url, schema, size=size, direct_url=direct_url)
        self.vitals.watch(pool_sample(schema, pool))
        return pool

    @property
    def redis_url(self) -> str:
        if self.settings.redis_url is None:
            raise ValueError("the composition root fills in the embedded server's URL")
        return self.settings.redis_url


def wire(
    settings: Settings,
    upstreams: Upstreams,
    broker: Broker,
    *,
    clock: MachineClock = time,
    tracer: Tracer | None = None,
) -> Wiring:
    """A wiring whose verifier fetches its keys from identity."""
    identity = ServiceClient(upstreams.identity)
    verifier = Verifier(lambda: identity.request("GET", "/.well-known/jwks.json"), clock=clock)
    return Wiring(
        settings=settings,
        upstreams=upstreams,
        verifier=verifier,
        broker=broker,
        clock=clock,
        tracer=tracer,
    )
