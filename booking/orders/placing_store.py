"""Placing orders: the hot path's only statement, in batches, or once within a promo code's transaction."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from booking.domain.problems import PromoCodeNotValid
from booking.events.unfolding import ORDER_PLACED
from booking.orders.records import NewOrder, PlacedOrder, Redemption
from booking.promo_codes.store import redeem_promo_code
from booking.refusals import refusal, refusals
from booking.seats.claims import Claim
from chassis.postgres.pool import (
    ROLLED_BACK,
    Connection,
    Pool,
    connection,
    load_queries,
    transaction,
)
from chassis.postgres.rows import fields
from chassis.problems import Overloaded, Unavailable
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
            placed = await _place(db, orders, hold_ttl_s)
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
    return [placed[order.order_id] for order in orders]


async def place_with_promo_code(
    pool: Pool, order: NewOrder, redemption: Redemption, hold_ttl_s: int
) -> PlacedOrder:
    """One order and the use of its code, in a transaction: an order that lives has its use counted,
    one that was refused has not. Orders with one code wait for each other only from its count on.

    Raises the promo code's problems beside those of placing; whatever is raised but Unavailable has
    left nothing behind.
    """
    try:
        with refusals():
            async with transaction(pool) as tx:
                placed = await _place(tx, [order], hold_ttl_s)
                if not await redeem_promo_code(
                    tx,
                    redemption.promo_code_id,
                    order_id=order.order_id,
                    user_id=order.user_id,
                    discount=redemption.discount,
                ):
                    raise PromoCodeNotValid()
                return placed[order.order_id]
    except TimeoutError:  # the outcome is not known; the sweeper will find out
        raise Unavailable("The database did not answer in time.") from None


async def place_again(tx: Connection, order: NewOrder) -> PlacedOrder:
    """An order that a failover has lost, under its old id and a new number, in the caller's transaction.

    It ends at once: the caller pays it in the same transaction. Raises what PostgreSQL refuses it for. It was
    placed before, so a paused sale is no reason.
    """
    with refusals():
        return (await _place(tx, [order], 0, heed_pause=False))[order.order_id]


async def true_claims(pool: Pool, session_id: UUID, seats: Sequence[int]) -> list[Claim]:
    async with connection(pool) as db:
        found = queries.true_claims(db, session_id=session_id, seats=list(seats))
        return [Claim(**fields(row, Claim)) async for row in found]


async def _place(
    db: Connection, orders: Sequence[NewOrder], hold_ttl_s: int, *, heed_pause: bool = True
) -> dict[UUID, PlacedOrder]:
    """By order id. Raises what PostgreSQL says."""
    placed = queries.place_orders(db, heed_pause=heed_pause, **_columns(orders, hold_ttl_s))
    return {row["order_id"]: PlacedOrder(**fields(row, PlacedOrder)) async for row in placed}


def _columns(orders: Sequence[NewOrder], hold_ttl_s: int) -> dict[str, Any]:
    """The statement's arrays: sessions once each, orders, and every seat with its order."""
    by_session: dict[UUID, SessionTerms] = {order.terms.session_id: order.terms for order in orders}
    sessions = by_session.values()
    seats = [(order, item.seat_id) for order in orders for item in order.items]
    return {
        "ttl": timedelta(seconds=hold_ttl_s),
        "placed_type": ORDER_PLACED,
        "term_sessions": list(by_session),
        "titles": [terms.title for terms in sessions],
        "venues": [terms.venue for terms in sessions],
        "starts": [terms.starts_at for terms in sessions],
        "time_zones": [terms.time_zone for terms in sessions],
        "currencies": [terms.currency for terms in sessions],
        "opens": [terms.sale_opens_at for terms in sessions],
        "closes": [terms.sale_closes_at for terms in sessions],
        "caps": [terms.max_tickets_per_user for terms in sessions],
        "orders": [order.order_id for order in orders],
        "users": [order.user_id for order in orders],
        "sessions": [order.terms.session_id for order in orders],
        "totals": [order.price.total_amount for order in orders],
        "items": [order.document for order in orders],
        "counts": [len(order.items) for order in orders],
        "keys": [order.idempotency_key for order in orders],
        "hashes": [order.body_hash for order in orders],
        "requests": [order.request_id for order in orders],
        "traces": [order.traceparent for order in orders],
        "seat_sessions": [order.terms.session_id for order, _ in seats],
        "seats": [seat_id for _, seat_id in seats],
        "seat_orders": [order.order_id for order, _ in seats],
    }
