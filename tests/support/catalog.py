"""Catalog alone over a real database: its app, and tokens signed by the test's own key."""

import base64
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from catalog.asgi import create_app
from chassis.auth.tokens import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE, Verifier
from chassis.events.broker import MemoryBroker
from chassis.events.envelope import Event, EventBatch
from chassis.ids import uuid7
from chassis.seam.upstream import Upstreams
from chassis.settings import Settings
from chassis.wiring import Wiring
from contracts.booking import SeatsChanged
from runtime.compose import LocalUpstream
from tests.support.api import Answer
from tests.support.asgi import exchange, in_a_task_of_its_own

KEY_ID = "test-key"


class Signer:
    """Creates access tokens, and the JWKS that verifies them."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    def token(self, *roles: str, user_id: UUID | None = None) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id or uuid4()),
            "iat": now,
            "exp": now + 900,
            "jti": str(uuid4()),
            "sid": str(uuid4()),
            "roles": ["customer", *roles],
        }
        headers = {"kid": KEY_ID, "typ": TOKEN_TYPE}
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers=headers)

    async def jwks(self) -> bytes:
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        key = {"kty": "OKP", "crv": "Ed25519", "kid": KEY_ID, "x": x, "alg": ALGORITHM}
        return msgspec.json.encode({"keys": [key]})


class Catalog:
    """One catalog app. Paths are below /api/v1 unless they begin with /internal."""

    def __init__(self, app: Any, signer: Signer, database_url: str) -> None:
        self.app, self.signer, self.database_url = app, signer, database_url
        self.organizer = signer.token("organizer")

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """A body of bytes is sent as it is."""
        data = b"" if body is None else body
        data = data if isinstance(data, bytes) else msgspec.json.encode(data)
        sent = {"host": "catalog", "content-type": "application/json", **(headers or {})}
        if data:
            sent["content-length"] = str(len(data))
        else:
            del sent["content-type"]
        if token:
            sent["authorization"] = f"Bearer {token}"
        path = path if path.startswith("/internal") else f"/api/v1{path}"
        return await exchange(self.app, method, path, sent, data)

    async def get(self, path: str, **how: Any) -> Answer:
        return await self.call("GET", path, **how)

    async def post(self, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.call("POST", path, body, **{"token": self.organizer} | how)

    async def patch(self, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.call("PATCH", path, body, **{"token": self.organizer} | how)

    async def venue(self, **changes: str) -> str:
        """A venue's id."""
        body = {"name": "上海体育场", "city": "上海", "address": "天钥桥路666号"}
        made = await self.post("/venues", body | {"time_zone": "Asia/Shanghai"} | changes)
        assert made.status == 201, made
        return str(made.json["venue_id"])

    async def show(self, **changes: Any) -> str:
        """A show's id. Without `venue_id` it gets its own venue."""
        if "venue_id" not in changes:
            changes["venue_id"] = await self.venue()
        made = await self.post("/shows", {"title": "测试演出", "category": "演唱会"} | changes)
        assert made.status == 201, made
        return str(made.json["show_id"])

    async def session(self, show_id: str, *, publish: bool = True, **changes: Any) -> Any:
        """A session, as its creation or publication answered."""
        made = await self.post(f"/shows/{show_id}/sessions", session_body(**changes))
        assert made.status == 201, made
        if not publish:
            return made.json
        published = await self.post(f"/sessions/{made.json['session_id']}/publish")
        assert published.status == 200, published
        return published.json

    async def plan(self, venue_id: str, **changes: Any) -> Any:
        """A plan, as its creation answered."""
        made = await self.post(f"/venues/{venue_id}/plans", PLAN | changes)
        assert made.status == 201, made
        return made.json

    async def deliver(self, events: Sequence[Event]) -> Answer:
        return await self.call("POST", "/internal/events", EventBatch(list(events)))


AREAS = [
    {
        "name": "VIP A区",
        "kind": "seated",
        "price": 128_000,
        "rows": [
            {"label": "1", "seats": 6, "aisles": [2], "accessible": [1, 6]},
            {"label": "2", "seats": 4},
        ],
    },
    {"name": "内场站席", "kind": "standing", "price": 68_000, "capacity": 5},
]


# Two curved rows of 6 and 8 numbered by twos from the right, with an aisle; a table for four, sold as a
# whole; and ten standing places.
PLAN = {
    "version": 1,
    "name": "Small theatre",
    "stage": {"outline": [[-6, -4], [6, -4], [6, 0], [-6, 0]], "label": "Stage"},
    "levels": [{"key": "up", "name": "Balcony"}],
    "sections": [
        {
            "key": "balcony",
            "name": "Balcony middle",
            "level": "up",
            "entrance": "Door 3",
            "view": "From above",
            "blocks": [
                {
                    "shape": "curved",
                    "centre": [0, -5],
                    "radius": 20,
                    "start": 110,
                    "end": 70,
                    "labels": ["A", "B"],
                    "seats": [6, 8],
                    "numbering": {"direction": "right-to-left", "step": 2},
                    "aisles": [{"after": 2}],
                }
            ],
            "properties": [
                {"rows": ["A"], "seats": [1], "accessible": True},
                {"rows": ["A"], "seats": [3], "companion_of": 1},
                {"rows": ["B"], "seats": [15], "restricted": True},
                {"rows": ["B"], "seats": [1, 3], "blocked": True},
                {"rows": ["B"], "seats": [3, 5], "house": True},
            ],
        },
        {
            "key": "tables",
            "name": "Tables",
            "tables": [
                {"label": "T1", "shape": "round", "at": [30, 30], "seats": 4, "whole": True}
            ],
        },
        {
            "key": "floor",
            "name": "Floor",
            "kind": "standing",
            "capacity": 10,
            "outline": [[-8, 2], [8, 2], [8, 10], [-8, 10]],
        },
    ],
}
PRICES = [
    {"section": "balcony", "price": 48_000},
    {"section": "tables", "price": 90_000},
    {"section": "floor", "price": 28_000},
]


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def session_body(**changes: Any) -> Any:
    """On sale since yesterday, for a month."""
    return {
        "starts_at": in_days(31),
        "sale_opens_at": in_days(-1),
        "sale_closes_at": in_days(30),
        "currency": "CNY",
        "max_tickets_per_user": 4,
        "areas": AREAS,
    } | changes


def seats_changed(type_: str, session_id: str, areas: dict[str, int]) -> Event:
    """An event of booking: the number of seats per area, by area id."""
    data = SeatsChanged(session_id=UUID(session_id), seats=[1], areas=areas)
    return Event(
        id=uuid7(),
        type=type_,
        source="booking",
        subject=session_id,
        time=datetime.now(UTC),
        requestid="req-1",
        data=msgspec.Raw(msgspec.json.encode(data)),
    )


@asynccontextmanager
async def running_catalog(
    database_url: str, signer: Signer | None = None
) -> AsyncIterator[Catalog]:
    """The app within its lifespan. It calls no other service."""
    signer, itself = signer or Signer(), LocalUpstream()
    wiring = Wiring(
        settings=Settings(database_url=database_url),
        upstreams=Upstreams(identity=itself, catalog=itself, booking=itself, notification=itself),
        verifier=Verifier(signer.jwks),
        broker=MemoryBroker([]),
    )
    itself.app = app = create_app(wiring)
    async with in_a_task_of_its_own(app.lifespan):
        yield Catalog(app, signer, database_url)


@asynccontextmanager
async def catalog_tables(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection that sees catalog's tables as the service does."""
    connection = await asyncpg.connect(
        database_url, server_settings={"search_path": "catalog", "timezone": "UTC"}
    )
    try:
        yield connection
    finally:
        await connection.close()


async def waiting(db: "asyncpg.Connection[Any]") -> int:
    """How many connections in this database wait for a lock. Tests stage races with it."""
    await db.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees one snapshot only
    count: int = await db.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return count
