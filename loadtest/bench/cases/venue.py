"""Creates sessions and buyers in bulk with catalog's own use cases, one transaction at a time."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from catalog.organizing import create_session, create_show, publish_session
from catalog.venues import create_venue
from catalog.wire import AreaOfSeats, CreateSession, CreateShow, CreateVenue, RowOfSeats
from chassis.auth.tokens import ADMIN, Principal
from chassis.ids import uuid7
from chassis.postgres.pool import open_pool, transaction
from identity.administration import create_account, make_buyers

ROW_SEATS = 50
TICKETS_PER_USER_MAX = 100  # the maximum of a session, so that buyers can take turns
TOKEN_TTL_S = 7_200  # longer than any bench
SESSIONS_A_TRANSACTION = 50
PASSWORD = secrets.token_urlsafe(16)
PRICE = 128_000


class Sale(msgspec.Struct, frozen=True):
    """A published session on sale, with `areas` in order."""

    show_id: UUID
    session_id: UUID
    areas: list[UUID]


async def make_sales(
    database_url: str, count: int, *, seats: int, areas: int = 1, kind: str = "seated"
) -> list[Sale]:
    """`count` sessions of one show, each with `seats` seats in rows of ROW_SEATS, on sale for a
    minute."""
    viewer = Principal(uuid7(), uuid7(), frozenset({ADMIN}), time.time() + TOKEN_TTL_S)
    pool = await open_pool(database_url, "catalog", size=1)
    try:
        async with transaction(pool) as tx:
            venue = CreateVenue(
                name="Load hall", city="上海", address="1", time_zone="Asia/Shanghai"
            )
            made = await create_venue(tx, viewer, venue)
            show = CreateShow(title="Bench", category="演唱会", venue_id=made.venue_id)
            show_id = (await create_show(tx, viewer, show)).show_id
        body = session_of(seats, areas, kind)
        sales: list[Sale] = []
        while len(sales) < count:
            async with transaction(pool) as tx:
                for _ in range(min(SESSIONS_A_TRANSACTION, count - len(sales))):
                    draft = await create_session(tx, viewer, show_id, body)
                    one = await publish_session(tx, viewer, draft.session_id)
                    sales.append(
                        Sale(show_id, one.session_id, [area.area_id for area in one.seat_areas])
                    )
        return sales
    finally:
        await pool.close()


def session_of(seats: int, areas: int, kind: str) -> CreateSession:
    """`seats` spread evenly over `areas` of one kind."""
    now = datetime.now(UTC)
    share = seats // areas
    return CreateSession(
        starts_at=now + timedelta(days=30),
        sale_opens_at=now - timedelta(minutes=1),
        sale_closes_at=now + timedelta(days=1),
        currency="CNY",
        max_tickets_per_user=TICKETS_PER_USER_MAX,
        areas=[
            AreaOfSeats(
                name=f"Area {place}",
                kind="standing" if kind == "standing" else "seated",
                price=PRICE,
                rows=None if kind == "standing" else rows_of(share),
                capacity=share if kind == "standing" else None,
            )
            for place in range(1, areas + 1)
        ],
    )


def rows_of(seats: int) -> list[RowOfSeats]:
    full, rest = divmod(seats, ROW_SEATS)
    rows = [RowOfSeats(label=str(n + 1), seats=ROW_SEATS) for n in range(full)]
    return rows + ([RowOfSeats(label=str(full + 1), seats=rest)] if rest else [])


def pairs_of(seats: int) -> list[tuple[int, int]]:
    """Pairs of adjacent seat ids in a seated session of full rows (a row's end takes a position)."""
    return [
        (row * (ROW_SEATS + 1) + place, row * (ROW_SEATS + 1) + place + 1)
        for row in range(seats // ROW_SEATS)
        for place in range(1, ROW_SEATS, 2)
    ]


async def make_tokens(database_url: str, count: int) -> list[str]:
    buyers = await make_buyers(database_url, count, access_token_ttl_s=TOKEN_TTL_S)
    return [token for _, token in buyers]


async def make_accounts(database_url: str, count: int) -> list[tuple[str, str]]:
    """Accounts with a normally hashed password: (address, password)."""
    addresses = [f"bench-{secrets.token_hex(6)}@loadtest.stampede.example" for _ in range(count)]
    for email in addresses:
        await create_account(database_url, email=email, password=PASSWORD)
    return [(email, PASSWORD) for email in addresses]
