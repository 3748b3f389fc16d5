"""Rows of promo codes and their uses."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from booking.refusals import refusal
from chassis.postgres.pool import Connection, load_queries
from chassis.postgres.rows import fields

queries = load_queries(Path(__file__).parent / "sql")


class PromoCode(msgspec.Struct, frozen=True, kw_only=True):
    """A stored code. `value` is per cent, or minor units of `currency`. A limit of None is no limit."""

    promo_code_id: UUID
    show_id: UUID
    code: str
    kind: Literal["percent", "fixed"]
    value: int
    currency: str | None
    max_uses: int | None
    max_uses_per_user: int | None
    valid_from: datetime | None
    valid_until: datetime | None
    active: bool
    uses: int
    created_at: datetime


def _promo_code(row: "asyncpg.Record | None") -> PromoCode | None:
    return PromoCode(**fields(row, PromoCode)) if row is not None else None


async def insert_promo_code(tx: Connection, **columns: Any) -> PromoCode:
    """Raises PromoCodeTaken if the show already has this code."""
    try:
        found = _promo_code(await queries.insert_promo_code(tx, **columns))
    except asyncpg.UniqueViolationError as second:
        raise refusal(second) or second from None
    assert found is not None
    return found


async def list_promo_codes(
    db: Connection, show_id: UUID, *, limit: int, offset: int
) -> tuple[list[PromoCode], int]:
    """A page of a show's codes, newest first, and their total number."""
    found = queries.list_promo_codes(db, show_id=show_id, limit=limit, offset=offset)
    codes = [PromoCode(**fields(row, PromoCode)) async for row in found]
    return codes, int(await queries.count_promo_codes(db, show_id=show_id))


async def promo_code_show(db: Connection, promo_code_id: UUID) -> UUID | None:
    """The show of the code."""
    show_id: UUID | None = await queries.promo_code_show(db, promo_code_id=promo_code_id)
    return show_id


async def lock_promo_code(tx: Connection, promo_code_id: UUID) -> PromoCode | None:
    return _promo_code(await queries.lock_promo_code(tx, promo_code_id=promo_code_id))


async def change_promo_code(
    tx: Connection, promo_code_id: UUID, changed: Mapping[str, Any]
) -> PromoCode | None:
    return _promo_code(await queries.change_promo_code(tx, promo_code_id=promo_code_id, **changed))


async def find_promo_code(tx: Connection, show_id: UUID, code: str) -> PromoCode | None:
    return _promo_code(await queries.find_promo_code(tx, show_id=show_id, code=code))


async def lock_promo_misses(tx: Connection, user_id: UUID, address: str | None) -> None:
    """From here to the commit no other transaction judges codes of this user or from this address."""
    await queries.lock_promo_misses(tx, user_id=user_id, address=address)


async def promo_refused_for_s(
    tx: Connection,
    user_id: UUID,
    address: str | None,
    *,
    user_max: int,
    address_max: int,
    within_s: float,
) -> float | None:
    """Seconds until user and address may guess again; None if both are below their limits."""
    seconds: float | None = await queries.promo_refused_for_s(
        tx,
        user_id=user_id,
        address=address,
        user_max=user_max,
        address_max=address_max,
        within=timedelta(seconds=within_s),
    )
    return seconds


async def insert_promo_miss(
    tx: Connection, user_id: UUID, address: str | None, *, within_s: float
) -> None:
    within = timedelta(seconds=within_s)
    await queries.insert_promo_miss(tx, user_id=user_id, address=address, within=within)


async def prune_promo_misses(db: Connection, *, within_s: float) -> None:
    await queries.prune_promo_misses(db, within=timedelta(seconds=within_s))


async def redeem_promo_code(
    tx: Connection,
    promo_code_id: UUID,
    *,
    order_id: UUID,
    user_id: UUID,
    discount: int,
) -> bool:
    """Counts a use. False if the code is not active or valid now.

    Raises PostgresError naming promo_codes_within_uses or promo_tallies_within_cap.
    """
    used = await queries.redeem_promo_code(
        tx,
        promo_code_id=promo_code_id,
        order_id=order_id,
        user_id=user_id,
        discount=discount,
    )
    return used is not None


async def release_redemptions(tx: Connection, orders: Sequence[UUID]) -> None:
    """Releases the uses of ended orders, in the transaction that ends them. Idempotent."""
    await queries.release_redemptions(tx, orders=list(orders))


async def retake_redemption(tx: Connection, order_id: UUID) -> bool:
    """Counts the use of a revived order again, in the transaction that revives it.

    False if the code has no uses left (the order keeps its price), or the order has no code.
    """
    return await queries.retake_redemption(tx, order_id=order_id) is not None
