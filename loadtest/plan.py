"""What a flash sale needs before it opens: a published session, and buyers with tokens.

The session is created through the API, as an organizer would. The buyers are created in bulk by
identity's administration: ten thousand argon2 hashes would take an hour and measure nothing.
"""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import msgspec

from identity.administration import create_account, make_buyers

ROW_SEATS = 20
TICKETS_PER_BUYER_MAX = 2
PREPARE_DEADLINE_S = 30.0


class Person(msgspec.Struct, frozen=True):
    """What one of a rehearsal's crowd is going to do (loadtest.rehearsal.people). `areas`: in the order in
    which they are tried, by their place in the plan. `pays_after_s` None: never."""

    arrives_s: float
    seats: int
    areas: list[int]
    pays_after_s: float | None
    token: str


class TokenFault(msgspec.Struct, frozen=True):
    """Between these seconds, this share of payments names this token, by which the sandbox misbehaves."""

    token: str
    from_s: float
    until_s: float
    share: float


class Plan(msgspec.Struct, frozen=True):
    """Written to a file for locust. `opens_at` is in Unix seconds of the server's clock. The last seven
    fields are a rehearsal's: a person a token, all areas, the prefix of request ids, when everybody gives up;
    `from_loopback`: each connects from an address of its own in 127.0.0.0/8, which needs no trusted proxy."""

    base_url: str
    session_id: UUID
    area_id: UUID
    tickets: int
    tickets_per_buyer_max: int
    opens_at: float
    tokens: list[str]
    people: list[Person] = []
    areas: list[UUID] = []
    faults: list[TokenFault] = []
    show_id: UUID | None = None
    tag: str = "sale"
    give_up_after_s: float = 60.0
    from_loopback: bool = False

    def write(self, path: Path) -> None:
        path.write_bytes(msgspec.json.encode(self))

    @staticmethod
    def read(path: Path) -> "Plan":
        return msgspec.json.decode(path.read_bytes(), type=Plan)


class PrepareError(Exception):
    """The platform under test refused a step of the preparation."""


async def prepare(
    base_url: str, database_url: str, *, users: int, tickets: int, opens_in_s: float
) -> Plan:
    """A session of `tickets` seats that opens in `opens_in_s`, and `users` buyers with a login."""
    organizer = f"organizer-{secrets.token_hex(4)}@loadtest.stampede.example"
    password = secrets.token_urlsafe(16)
    await create_account(
        database_url, email=organizer, password=password, role="organizer", full_name="Load test"
    )
    buyers = await make_buyers(database_url, users)
    timeout = aiohttp.ClientTimeout(total=PREPARE_DEADLINE_S)
    async with aiohttp.ClientSession(f"{base_url}/api/v1/", timeout=timeout) as http:
        login = await post(http, "auth/login", {"email": organizer, "password": password}, "")
        session = await make_session(http, login["access_token"], tickets, opens_in_s)
    opens_at = datetime.fromisoformat(session["sale_opens_at"]).timestamp()
    return Plan(
        base_url=base_url,
        session_id=UUID(session["session_id"]),
        area_id=UUID(session["seat_areas"][0]["area_id"]),
        tickets=tickets,
        tickets_per_buyer_max=TICKETS_PER_BUYER_MAX,
        opens_at=opens_at,
        tokens=[token for _, token in buyers],
    )


async def make_session(
    http: aiohttp.ClientSession,
    token: str,
    tickets: int,
    opens_in_s: float,
    *,
    per_user_max: int = TICKETS_PER_BUYER_MAX,
) -> Any:
    venue = {"name": "Load hall", "city": "上海", "address": "1", "time_zone": "Asia/Shanghai"}
    venue_id = (await post(http, "venues", venue, token))["venue_id"]
    show = {"title": "Flash sale", "category": "演唱会", "venue_id": venue_id, "description": ""}
    show_id = (await post(http, "shows", show, token))["show_id"]
    now = datetime.now(UTC)
    full, rest = divmod(tickets, ROW_SEATS)
    rows = [{"label": str(n + 1), "seats": ROW_SEATS} for n in range(full)]
    rows += [{"label": str(full + 1), "seats": rest}] if rest else []
    body = {
        "starts_at": (now + timedelta(days=30)).isoformat(),
        "sale_opens_at": (now + timedelta(seconds=opens_in_s)).isoformat(),
        "sale_closes_at": (now + timedelta(days=1)).isoformat(),
        "currency": "CNY",
        "max_tickets_per_user": per_user_max,
        "areas": [{"name": "VIP A区", "kind": "seated", "price": 128_000, "rows": rows}],
    }
    session = await post(http, f"shows/{show_id}/sessions", body, token)
    return await post(http, f"sessions/{session['session_id']}/publish", None, token)


async def post(http: aiohttp.ClientSession, path: str, body: Any, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with http.post(path, json=body, headers=headers) as answer:
        document = await answer.json(content_type=None)
        if answer.status >= 300:
            raise PrepareError(f"POST {path} answered {answer.status}: {document}")
        return document
