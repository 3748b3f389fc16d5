"""What is done to the platform, so that an alert should fire, and how it is undone."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psutil
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chassis.postgres.pool import connection, load_queries, open_pool
from loadtest.failover.events import Platform

SQL = Path(__file__).parent / "sql"
STOPPED_S, RUNNING_S = 0.7, 0.5  # of a service that is slow
LEFT_FREE = 0.05
# What follows when orders fail or are slow, whatever the cause.
OF_ORDERS = frozenset(
    {
        *("OrdersFail", "OrdersUnavailable", "OrdersSlow", "OrdersVerySlow", "HoldsFail"),
        *("CallbacksFail", "CallbacksSlow", "SweeperFails", "DatabasePoolWaits", "EventsLate"),
        *("BacklogSlow", "OutboxStalled", "ConsumerLags", "EventLoopLags", "AuditUnchecked"),
    }
)


@dataclass(frozen=True)
class Cause:
    """`lasting()` does it, and undoes it at its end. `fires`: alerts that must fire. `may`: others that it
    explains. None: whatever orders' SLOs and their stores say."""

    name: str
    fires: frozenset[str]
    lasting: Callable[[], AbstractAsyncContextManager[None]]
    may: frozenset[str] = frozenset()


class Causes:
    """Those of one running cluster. `certificate`: the file that its settings name. `disk`: where its data
    are, if it is small and its own."""

    def __init__(
        self, platform: Platform, database_url: str, certificate: Path, disk: Path | None
    ) -> None:
        self._platform, self._url = platform, database_url
        self._certificate, self._disk = certificate, disk

    def all(self) -> list[Cause]:
        """First those that orders do not feel."""
        fill = [Cause("disk 95% full", frozenset({"DiskFills"}), self.full_disk)]
        return [
            Cause("expired certificate", frozenset({"CertificateExpires"}), self.expired),
            Cause("key signs for 91 days", frozenset({"KeyOld"}), self.old_key),
            Cause("dead letter, 11 minutes old", frozenset({"DeadLettersOpen"}), self.dead_letter),
            Cause("an order's total is wrong", frozenset({"AuditViolated"}), self.broken_order),
            *(fill if self._disk is not None else []),
            Cause(
                "provider never answers",
                frozenset({"ProviderFails", "PaymentUnanswered"}),
                self.silent_provider,
            ),
            Cause(
                "both workers hang",
                frozenset({"NobodyMeasures"}),
                lambda: self.stopped("worker-"),
                frozenset(
                    {"EventsLate", "BacklogSlow", "OutboxStalled", "ConsumerLags", "AuditStale"}
                ),
            ),
            Cause(
                "consumer (notification) hangs",
                frozenset({"ConsumerLags", "ScrapeFails"}),
                lambda: self.stopped("notification-"),
                frozenset({"EventsLate", "BacklogSlow", "OutboxStalled", "NobodyMeasures"}),
            ),
            Cause(
                "NATS hangs",
                frozenset({"OutboxStalled"}),
                lambda: self.stopped("nats-"),
                frozenset({"EventsLate", "BacklogSlow", "ConsumerLags"}),
            ),
            Cause(
                "orders are slow (booking stutters)",
                # p95 pages when 72% are slow over an hour: whether it does depends on the machine
                frozenset({"OrdersVerySlow"}),
                lambda: self.stuttering("booking-"),
                OF_ORDERS | {"ScrapeFails"},
            ),
            Cause(
                "a shard of Valkey hangs, with its replica",
                frozenset({"RedisNodeDown", "HoldsFail", "OrdersFail"}),
                self.lost_shard,
                OF_ORDERS,
            ),
            Cause(
                "PostgreSQL's standby hangs",
                frozenset({"StandbyLost", "OrdersFail"}),
                self.lost_standby,
                OF_ORDERS | {"ConsumerFails", "StandbyLags"},
            ),
            Cause(
                "booking hangs",
                frozenset({"OrdersFail", "OrdersUnavailable", "ScrapeFails"}),
                lambda: self.stopped("booking-"),
                OF_ORDERS,
            ),
            Cause(
                "the gateways hang",
                frozenset({"NoGateway", "OrdersUnavailable"}),
                lambda: self.stopped("gateway-"),
                OF_ORDERS | {"ScrapeFails", "NobodyMeasures", "AuditStale"},
            ),
        ]

    @asynccontextmanager
    async def stopped(self, prefix: str) -> AsyncIterator[None]:
        """Every process of these parts stands still (SIGSTOP), as a machine that hangs."""
        pids = self._pids(lambda part: part.name.startswith(prefix))
        with _standing(pids):
            yield

    @asynccontextmanager
    async def stuttering(self, prefix: str) -> AsyncIterator[None]:
        pids = self._pids(lambda part: part.name.startswith(prefix))

        async def stutter() -> None:
            while True:
                with _standing(pids):
                    await asyncio.sleep(STOPPED_S)
                await asyncio.sleep(RUNNING_S)

        async with _beside(stutter()):
            yield

    @asynccontextmanager
    async def lost_shard(self) -> AsyncIterator[None]:
        primary = self._platform.primaries()[0].name
        of = (primary, f"replica of {primary}")
        pids = self._pids(lambda part: part.name == primary or part.role.startswith(of[1]))
        with _standing(pids):
            yield

    @asynccontextmanager
    async def lost_standby(self) -> AsyncIterator[None]:
        pids = self._pids(lambda part: part.role.startswith("standby"))
        with _standing(pids):
            await self._do("booking", "drop_connections_of_standbys")
            yield

    @asynccontextmanager
    async def expired(self) -> AsyncIterator[None]:
        write_certificate(self._certificate, days=-1)
        try:
            yield
        finally:
            write_certificate(self._certificate, days=90)

    @asynccontextmanager
    async def old_key(self) -> AsyncIterator[None]:
        await self._do("identity", "age_keys", days=91)
        try:
            yield
        finally:
            await self._do("identity", "age_keys", days=-91)

    @asynccontextmanager
    async def dead_letter(self) -> AsyncIterator[None]:
        event_id = uuid4()
        await self._do("notification", "put_dead_letter", event_id=event_id)
        try:
            yield
        finally:
            await self._do("notification", "close_dead_letter", event_id=event_id)

    @asynccontextmanager
    async def broken_order(self) -> AsyncIterator[None]:
        order_id = await self._do("booking", "break_an_order")
        try:
            yield
        finally:
            await self._do("booking", "mend_the_order", order_id=order_id)

    @asynccontextmanager
    async def silent_provider(self) -> AsyncIterator[None]:
        """Payments are begun and not decided; some of them are made to look old."""
        silent = {"never_answer": True, "delay_s": 30, "loss": 1.0}
        await self._control(silent)

        async def age() -> None:
            while True:
                await asyncio.sleep(5.0)
                await self._do("booking", "age_payments")

        try:
            async with _beside(age()):
                yield
        finally:
            await self._control({})

    @asynccontextmanager
    async def full_disk(self) -> AsyncIterator[None]:
        assert self._disk is not None
        file = self._disk / "filler"
        used = shutil.disk_usage(self._disk)
        with file.open("wb") as opened:
            os.posix_fallocate(opened.fileno(), 0, used.free - int(used.total * LEFT_FREE))
        try:
            yield
        finally:
            file.unlink()

    def _pids(self, wanted: Callable[[Any], bool]) -> list[int]:
        found = [part.pid for part in self._platform.parts() if wanted(part) and part.pid]
        assert found, "no such part of the cluster runs"
        return found

    async def _control(self, changes: dict[str, Any]) -> None:
        await self._do("sandbox", "put_controls", changes=msgspec.json.encode(changes).decode())

    async def _do(self, schema: str, query: str, **values: Any) -> Any:
        queries = load_queries(SQL / f"{schema}.sql")
        pool = await open_pool(self._url, schema, size=1)
        try:
            async with connection(pool) as db:
                return await getattr(queries, query)(db, **values)
        finally:
            await pool.close()


@contextlib.contextmanager
def _standing(pids: Sequence[int]) -> Iterator[None]:
    """They and all that they have started."""
    every: list[psutil.Process] = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            every += [process, *process.children(recursive=True)]
    try:
        for one in every:
            _send(one, signal.SIGSTOP)
        yield
    finally:
        for one in every:
            _send(one, signal.SIGCONT)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


@asynccontextmanager
async def _beside(work: Awaitable[None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def write_certificate(file: Path, *, days: int) -> None:
    """A self-signed one that expires in `days`, put in place at once."""
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loadtest.stampede.example")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=365))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, None)
    )
    fresh = file.with_suffix(".new")
    fresh.write_bytes(made.public_bytes(Encoding.PEM))
    fresh.replace(file)
