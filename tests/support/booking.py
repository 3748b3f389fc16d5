"""Booking alone over real stores. A few lines stand in for catalog and identity and answer by their
contracts: they are not stores, and a test sets there what sells and who may buy."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from booking.asgi import create_app
from booking.audit.checks import audit_booking
from booking.composition import Booking
from booking.operations.controls import READ_INTERVAL_S
from booking.providers.registry import open_provider
from booking.seats.claims import Claim
from booking.seats.holds import Wanted
from booking.seats.outcomes import Held
from chassis.auth.tokens import Verifier
from chassis.clock import MachineClock
from chassis.events.broker import MemoryBroker
from chassis.seam.upstream import Upstreams
from chassis.settings import Settings
from chassis.wiring import Wiring
from contracts.catalog import (
    TERMS_LOOKUP_PATH,
    AreaPlan,
    AreaTerms,
    RowPlan,
    SeatPlan,
    Segment,
    SessionTerms,
    ShowTerms,
    TermsFound,
    TermsLookups,
)
from contracts.identity import (
    BY_EMAIL_PATH,
    LOOKUP_PATH,
    Account,
    AccountLookups,
    Accounts,
    EmailLookup,
)
from tests.support.api import Answer
from tests.support.asgi import exchange, in_a_task_of_its_own
from tests.support.catalog import Signer

SEATED, STANDING = UUID(int=1), UUID(int=2)
ROW_SEATS = 10
NEVER_S = 3600.0


class Neighbours:
    """Catalog and identity, as booking sees them."""

    def __init__(self) -> None:
        self.terms: dict[UUID, SessionTerms] = {}
        self.plans: dict[UUID, SeatPlan] = {}
        self.inactive: set[UUID] = set()
        self.unknown: set[UUID] = set()
        self.cancelled: set[UUID] = set()  # sessions that booking reported as cancelled
        self.deaf = False  # catalog refuses such reports
        self.roles: dict[UUID, list[str]] = {}
        self.emails: dict[str, UUID] = {}
        self.names: dict[UUID, str] = {}
        self.locales: dict[UUID, str] = {}
        self.looked_up: list[int] = []  # number of accounts in each call to identity
        self.identity_is_away = False

    def publish(
        self,
        *,
        rows: int = 2,
        places: int = 5,
        accessible: Sequence[int] = (),
        session_id: UUID | None = None,
        **changes: Any,
    ) -> UUID:
        """A session on sale: `rows` of ten seats (ids 1…10, 12…21, …), then standing places.

        accessible: numbers of seats of the first row.
        """
        session_id = session_id or uuid4()
        firsts = [1 + n * (ROW_SEATS + 1) for n in range(rows)]
        floor = rows * (ROW_SEATS + 1) + 1
        now = datetime.now(UTC)
        seated = AreaTerms(SEATED, "VIP A区", "seated", 128_000, 1, floor - 2, rows * ROW_SEATS)
        standing = AreaTerms(
            STANDING, "内场站席", "standing", 68_000, floor, floor + places - 1, places
        )
        terms: dict[str, Any] = {
            "session_id": session_id,
            "show_id": uuid4(),
            "organizer_id": uuid4(),
            "title": "周杰伦 2026 世界巡回演唱会",
            "venue": "上海体育场",
            "city": "上海",
            "starts_at": now + timedelta(days=30),
            "time_zone": "Asia/Shanghai",
            "currency": "CNY",
            "status": "published",
            "sale_opens_at": now - timedelta(days=1),
            "sale_closes_at": now + timedelta(days=29),
            "max_tickets_per_user": 6,
            "areas": [seated, standing],
        }
        self.terms[session_id] = SessionTerms(**terms | changes)
        labels = [
            RowPlan(str(n + 1), [Segment(first, 1, ROW_SEATS)], [] if n else list(accessible))
            for n, first in enumerate(firsts)
        ]
        floor_plan = AreaPlan(STANDING, "内场站席", [RowPlan("", [Segment(floor, 1, places)])])
        areas = [AreaPlan(SEATED, "VIP A区", labels), floor_plan]
        self.plans[session_id] = SeatPlan(session_id, floor + places - 1, areas)
        return session_id

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/internal/users") and self.identity_is_away:
            raise OSError("nobody there")
        if scope["path"] == BY_EMAIL_PATH:
            wanted = msgspec.json.decode((await receive())["body"], type=EmailLookup)
            named = self.emails.get(wanted.email)
            found = self._account(named) if named is not None else None
        elif scope["path"] == LOOKUP_PATH:
            asked = msgspec.json.decode((await receive())["body"], type=AccountLookups)
            self.looked_up.append(len(asked.lookups))
            found = Accounts([self._account(one.user_id) for one in asked.lookups])
        elif scope["path"] == TERMS_LOOKUP_PATH:
            wanted_terms = msgspec.json.decode((await receive())["body"], type=TermsLookups)
            found = TermsFound([self.terms.get(one.session_id) for one in wanted_terms.lookups])
        else:
            parts = scope["path"].strip("/").split("/")
            key = UUID(parts[2])
            found = self._show(key) if parts[1] == "shows" else self._find(key, parts[3:])
        status = 200 if found is not None else 503 if self.deaf else 404
        if scope["path"] == BY_EMAIL_PATH and "@" not in wanted.email:
            status = 400
        body = msgspec.json.encode(found if found is not None else {"code": "not-found"})
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def _find(self, key: UUID, rest: list[str]) -> Any:
        if rest == ["cancel"]:
            if not self.deaf:
                self.cancelled.add(key)
            return None if self.deaf else {}
        return (self.plans if rest == ["plan"] else self.terms).get(key)

    def _show(self, key: UUID) -> ShowTerms | None:
        sessions = [terms for terms in self.terms.values() if terms.show_id == key]
        if not sessions:
            return None
        currencies = sorted({terms.currency for terms in sessions})
        return ShowTerms(key, sessions[0].organizer_id, sessions[0].title, currencies)

    def _account(self, key: UUID) -> Account | None:
        if key in self.unknown:
            return None
        return Account(
            key,
            "a@example.com",
            self.names.get(key, "王小明"),
            None,
            self.locales.get(key, "zh"),
            ["customer", *self.roles.get(key, [])],
            key not in self.inactive,
        )


class SwitchedProvider:
    """The app's provider: the one that the settings name, until a test puts another in its place."""

    def __init__(self) -> None:
        self.now: Any = None

    @asynccontextmanager
    async def open(self, wiring: Wiring, pool: Any) -> AsyncIterator[Any]:
        async with open_provider(wiring, pool) as real:
            self.now = real
            yield self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)


class BookingApp:
    """One booking process: its app, its services, its provider, and the stand-ins."""

    def __init__(
        self,
        app: Any,
        wiring: Wiring,
        neighbours: Neighbours,
        signer: Signer,
        provider: SwitchedProvider,
    ) -> None:
        self.app, self.wiring, self.neighbours, self.signer = app, wiring, neighbours, signer
        self.provider = provider
        self._tokens: dict[UUID, str] = {}

    @property
    def services(self) -> Booking:
        booking: Booking = self.app.state.booking
        return booking

    def rewire(self, **parts: Any) -> None:
        """From the next request on the app has these parts: built by the test, with its own limits."""
        self.app.state.booking = msgspec.structs.replace(self.services, **parts)

    @property
    def users(self) -> list[UUID]:
        """Who has called so far."""
        return list(self._tokens)

    def token(self, user_id: UUID, *roles: str) -> str:
        if user_id not in self._tokens:
            self._tokens[user_id] = self.signer.token(*roles, user_id=user_id)
        return self._tokens[user_id]

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: UUID | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        data = raw if raw is not None else b"" if body is None else msgspec.json.encode(body)
        sent = {"host": "booking"}
        if data:
            sent |= {"content-type": "application/json", "content-length": str(len(data))}
        if user is not None:
            sent["authorization"] = f"Bearer {self.token(user)}"
        sent |= headers or {}
        return await exchange(self.app, method, f"/api/v1{path}", sent, data)

    async def get(self, path: str, **how: Any) -> Answer:
        return await self.call("GET", path, **how)

    async def post(self, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.call("POST", path, body, **how)

    async def order(
        self,
        user: UUID,
        session_id: UUID,
        *,
        seats: Sequence[int] | None = None,
        quantity: int = 2,
        area: UUID = SEATED,
        key: str | None = None,
    ) -> Answer:
        """POST /orders: exactly `seats`, else the best `quantity` of an area."""
        body: dict[str, Any] = {"session_id": session_id}
        body |= {"seats": seats} if seats else {"seat_area_id": area, "quantity": quantity}
        headers = {"Idempotency-Key": key} if key else None
        return await self.post("/orders", body, user=user, headers=headers)

    async def pay(
        self, user: UUID, order_id: str, token: str = "tok_ok", key: str | None = None
    ) -> Answer:
        body = {"payment_method": "alipay", "payment_token": token}
        headers = {"Idempotency-Key": key} if key else None
        return await self.post(f"/orders/{order_id}/pay", body, user=user, headers=headers)

    async def cancel(self, user: UUID, order_id: str) -> Answer:
        return await self.post(f"/orders/{order_id}/cancel", user=user)


@asynccontextmanager
async def running_booking(
    database_url: str,
    redis_url: str,
    neighbours: Neighbours | None = None,
    *,
    clock: MachineClock = time,
    notification: Any = None,
    reads_controls: bool = True,
    **settings: Any,
) -> AsyncIterator[BookingApp]:
    """The app within its lifespan. Several may run over the same stores, like processes.

    reads_controls: False for a process between two readings of the controls of sales, for as long as it runs.
    """
    house, signer = neighbours or Neighbours(), Signer()
    wiring = Wiring(
        settings=Settings(database_url=database_url, redis_url=redis_url, **settings),
        upstreams=Upstreams(
            identity=house, catalog=house, booking=house, notification=notification or house
        ),
        verifier=Verifier(signer.jwks),
        broker=MemoryBroker([]),
        clock=clock,
    )
    provider = SwitchedProvider()
    interval_s = READ_INTERVAL_S if reads_controls else NEVER_S
    app = create_app(wiring, open_provider=provider.open, controls_interval_s=interval_s)
    async with in_a_task_of_its_own(app.lifespan):
        yield BookingApp(app, wiring, house, signer, provider)


@asynccontextmanager
async def booking_tables(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection that sees booking's tables as the service does."""
    connection = await asyncpg.connect(
        database_url, server_settings={"search_path": "booking", "timezone": "UTC"}
    )
    try:
        yield connection
    finally:
        await connection.close()


async def let_time_pass(
    tables: "asyncpg.Connection[Any]", order_id: str, past_s: float = 1.0
) -> None:
    """Moves the expiry of the order and its claims `past_s` into the past. Tests pass time this way."""
    ended = timedelta(seconds=past_s)
    await tables.execute(
        "UPDATE orders SET expires_at = now() - $2::interval WHERE order_id = $1", order_id, ended
    )
    await tables.execute(
        "UPDATE seat_claims SET expires_at = now() - $2::interval"
        " WHERE order_id = $1 AND state = 'held'",
        order_id,
        ended,
    )


async def until_one_waits(database_url: str) -> None:
    """Returns when a statement waits for a lock. PostgreSQL signals this only in its views."""
    await until_so_many_wait(database_url, 1)


async def until_so_many_wait(database_url: str, statements: int) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with booking_tables(database_url) as watcher:
        while await watcher.fetchval(waiting) < statements:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def at_once(calls: Sequence[Any]) -> list[Any]:
    """Runs all of them at once, from behind one barrier."""
    barrier = asyncio.Barrier(len(calls))

    async def one(call: Any) -> Any:
        await barrier.wait()
        return await call

    return list(await asyncio.gather(*(one(call) for call in calls)))


async def is_sound(app: BookingApp) -> None:
    """Asserts every invariant of `stampede audit`."""
    findings = await audit_booking(app.services, looks_max=1)
    broken = [finding for finding in findings if not finding.ok]
    assert broken == [], broken


class LyingRedis:
    """Seat holds of a Redis that has lost everything: every seat is free, nobody has reached a limit, and
    no key was ever seen. So PostgreSQL alone decides about each order.

    It replaces no store that is under test: PostgreSQL is real.
    """

    def __init__(self) -> None:
        self.released: list[UUID] = []
        self.corrected: list[Claim] = []

    def is_sold_out(self, *_: Any) -> bool:
        return False

    async def hold_exact(self, session_id: UUID, *, seats: Sequence[int], **_: Any) -> Held:
        return Held(0, sorted(seats))

    async def hold_best(self, session_id: UUID, *, wanted: Wanted, **_: Any) -> Held:
        """Always the same first seats, as in an empty session."""
        taken = {claim.seat_id for claim in self.corrected}
        free = [
            seat for seat in range(wanted.areas[0][0], wanted.areas[0][1] + 1) if seat not in taken
        ]
        return Held(0, free[: wanted.quantity])

    async def release(self, session_id: UUID, order_id: UUID) -> None:
        self.released.append(order_id)

    async def correct(self, session_id: UUID, claims: Sequence[Claim]) -> None:
        self.corrected += claims


def without_redis(app: BookingApp) -> LyingRedis:
    """From now on, this app places orders without Redis."""
    lying: Any = LyingRedis()
    app.services.placing._holds = lying
    found: LyingRedis = lying
    return found
