"""Placing orders in batches: the hot path's only statement."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from booking.orders.records import NewOrder, PlacedOrder
from booking.refusals import refusal
from booking.seats.claims import Claim
from chassis.postgres.pool import ROLLED_BACK, Connection, Pool, connection, load_queries
from chassis.postgres.rows import fields
from chassis.problems import Overloaded, Unavailable
from contracts.booking import OrderItem
from contracts.catalog import SessionTerms

queries = load_queries(Path(__file__).parent / "sql" / "placing.sql")


async def place_orders(
    pool: Pool, orders: Sequence[NewOrder], hold_ttl_s: int
) -> list[PlacedOrder | BaseException]:
    """Commits all of them in one statement, and answers each in its place.

    One order that PostgreSQL refuses gets its refusal. A batch with such an order among others is
    raised as PostgresError with nothing left behind, and the coalescer tries its members alone.
    Trouble that is nobody's fault answers all of them at once: trying each would only prolong it.
    """
    try:
        async with connection(pool) as db:
            arguments = _columns(orders, hold_ttl_s)
            rows = [row async for row in queries.place_orders(db, **arguments)]
    except (Unavailable, Overloaded) as trouble:
        return [type(trouble)(trouble.detail) for _ in orders]
    except TimeoutError:  # the statement's outcome is not known; the sweeper will find out
        return [Unavailable("The database did not answer in time.") for _ in orders]
    except ROLLED_BACK:
        return [Overloaded("The database is too busy.") for _ in orders]
    except asyncpg.PostgresError as error:
        refused = refusal(error)
        if len(orders) > 1 or refused is None:
            raise
        return [refused]
    placed = {row["order_id"]: PlacedOrder(**fields(row, PlacedOrder)) for row in rows}
    return [placed[order.order_id] for order in orders]


async def place_one(tx: Connection, order: NewOrder, hold_ttl_s: int) -> PlacedOrder:
    """The same for one order, within the caller's transaction. Raises what PostgreSQL says."""
    arguments = _columns([order], hold_ttl_s)
    rows = [row async for row in queries.place_orders(tx, **arguments)]
    return PlacedOrder(**fields(rows[0], PlacedOrder))


async def true_claims(pool: Pool, session_id: UUID, seats: Sequence[int]) -> list[Claim]:
    async with connection(pool) as db:
        found = queries.true_claims(db, session_id=session_id, seats=list(seats))
        return [Claim(**fields(row, Claim)) async for row in found]


def _columns(orders: Sequence[NewOrder], hold_ttl_s: int) -> dict[str, Any]:
    """The statement's arrays: sessions once each, orders, and every item with its order."""
    terms: dict[UUID, SessionTerms] = {order.terms.session_id: order.terms for order in orders}
    items = [(order, item) for order in orders for item in order.items]
    return {
        "ttl": timedelta(seconds=hold_ttl_s),
        "term_sessions": list(terms),
        "titles": [one.title for one in terms.values()],
        "venues": [one.venue for one in terms.values()],
        "starts": [one.starts_at for one in terms.values()],
        "time_zones": [one.time_zone for one in terms.values()],
        "currencies": [one.currency for one in terms.values()],
        "opens": [one.sale_opens_at for one in terms.values()],
        "closes": [one.sale_closes_at for one in terms.values()],
        "caps": [one.max_tickets_per_user for one in terms.values()],
        "orders": [order.order_id for order in orders],
        "users": [order.user_id for order in orders],
        "sessions": [order.terms.session_id for order in orders],
        "totals": [order.total_amount for order in orders],
        "keys": [order.idempotency_key for order in orders],
        "hashes": [order.body_hash for order in orders],
        "requests": [order.request_id for order in orders],
        "counts": [len(order.items) for order in orders],
        "created_ids": [order.created_id for order in orders],
        "created": [order.created for order in orders],
        "held_ids": [order.held_id for order in orders],
        "held": [order.held for order in orders],
        "histories": [order.history for order in orders],
        "item_orders": [order.order_id for order, _ in items],
        "item_sessions": [order.terms.session_id for order, _ in items],
        "item_seats": [item.seat_id for _, item in items],
        "item_areas": [item.area_id for _, item in items],
        "item_area_names": [item.area for _, item in items],
        "item_rows": [item.row for _, item in items],
        "item_numbers": [item.number for _, item in items],
        "item_prices": [item.price for _, item in items],
        "item_accessible": [_why_accessible(order, item) for order, item in items],
    }


def _why_accessible(order: NewOrder, item: OrderItem) -> str | None:
    if not item.accessible:
        return None
    return "last_left" if order.only_accessible_left else "wanted"
