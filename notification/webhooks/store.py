"""Rows of webhook endpoints, events and deliveries; the package's only module that runs SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from chassis.http import idempotency
from chassis.http.pagination import offset
from chassis.ids import uuid7
from chassis.postgres.pool import Connection, Pool, connection, load_queries, transaction
from notification.webhooks.payloads import Told
from notification.webhooks.schedule import DISABLE_AFTER_HOURS, GIVE_UP_HOURS

COUNTED_MAX = 100_000
PRUNE_BATCH_MAX = 5000
ROUTING_PATIENCE = timedelta(minutes=1)  # for an event whose session's organizer catalog must tell
DETAILS_MAX = 20  # violations reported of one invariant

_sql = load_queries(Path(__file__).parent / "sql")


class EndpointRow(msgspec.Struct, frozen=True):
    """An endpoint as stored, without its secrets."""

    endpoint_id: UUID
    owner_id: UUID
    show_id: UUID | None
    url: str
    event_types: list[str]
    active: bool
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime
    changed_at: datetime


class DeliveryRow(msgspec.Struct, frozen=True):
    """A delivery as stored, with its event's type."""

    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID
    type: str
    state: str
    attempts: int
    next_attempt: datetime | None
    last_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    last_latency_ms: int | None
    last_response: str | None
    created_at: datetime
    ended_at: datetime | None


class SentDelivery(msgspec.Struct, frozen=True):
    """A delivery with its body, and whether its endpoint is active."""

    row: DeliveryRow
    body: str
    active: bool


class ClaimedDelivery(msgspec.Struct, frozen=True):
    """A delivery that only this sender may send until its lease ends. `attempt` counts from 1."""

    delivery_id: UUID
    endpoint_id: UUID
    owner_id: UUID
    event_id: UUID
    claim: int
    attempt: int
    url: str
    body: bytes
    request_id: str
    traceparent: str | None
    claimed_at: datetime  # PostgreSQL's time
    secrets: list[str]


class ChargeResult(msgspec.Struct, frozen=True):
    """The result of a failed attempt: the delivery's state, and whether its endpoint is still active."""

    state: str
    active: bool
    disabled_reason: str | None


# Planning: in the inbox's transaction and in the router's.


async def heard_types(tx: Connection, types: Sequence[str]) -> set[str]:
    """The subset of these types to which an endpoint subscribes."""
    return {row["type"] async for row in _sql.heard_types(tx, types=types)}


async def keep_events(tx: Connection, events: Sequence[Told]) -> list[UUID]:
    """Stores events that an endpoint may receive. Returns the ids of those that can be routed now."""
    kept = _sql.keep_events(
        tx,
        event_ids=[one.event_id for one in events],
        types=[one.type for one in events],
        session_ids=[one.session_id for one in events],
        request_ids=[one.request_id for one in events],
        times=[one.happened_at for one in events],
        bodies=[one.body for one in events],
        traces=[one.traceparent for one in events],
    )
    return [row["event_id"] async for row in kept if row["routed"]]


async def deliver_to_audience(tx: Connection, event_ids: Sequence[UUID], *, skew_s: float) -> int:
    """Writes a delivery for each event and each endpoint that subscribes to it. Returns their number."""
    found = [row async for row in _sql.matches(tx, event_ids=event_ids, skew_s=skew_s)]
    if found:
        await insert_deliveries(tx, [(row["endpoint_id"], row["event_id"]) for row in found])
    return len(found)


async def insert_deliveries(tx: Connection, pairs: Sequence[tuple[UUID, UUID]]) -> list[UUID]:
    """`pairs`: endpoint and event of each delivery. Returns the deliveries' ids."""
    ids = [uuid7() for _ in pairs]
    await _sql.insert_deliveries(
        tx,
        delivery_ids=ids,
        endpoint_ids=[endpoint_id for endpoint_id, _ in pairs],
        event_ids=[event_id for _, event_id in pairs],
    )
    return ids


async def waiting_sessions(pool: Pool, *, limit: int) -> dict[UUID, bool]:
    """Sessions of waiting events, and whether their organizer is known."""
    async with connection(pool) as db:
        found = _sql.waiting_sessions(db, limit=limit)
        return {row["session_id"]: row["known"] async for row in found}


async def learn_session(pool: Pool, session_id: UUID, show_id: UUID, organizer_id: UUID) -> None:
    async with connection(pool) as db:
        await _sql.learn_session(
            db, session_id=session_id, show_id=show_id, organizer_id=organizer_id
        )


async def forget_session(pool: Pool, session_id: UUID) -> None:
    async with connection(pool) as db:
        await _sql.forget_session(db, session_id=session_id)


async def route_events(pool: Pool, *, limit: int, skew_s: float) -> int:
    """Writes the deliveries of events that waited for their session. Returns the number of events."""
    async with transaction(pool) as tx:
        ids = [row["event_id"] async for row in _sql.route_events(tx, limit=limit)]
        if ids:
            await deliver_to_audience(tx, ids, skew_s=skew_s)
            await _sql.drop_unheard(tx, event_ids=ids)
    return len(ids)


# Endpoints. `owner_id` None: for an admin, any owner.


async def count_own(tx: Connection, owner_id: UUID) -> int:
    """Locks and counts an owner's endpoints; concurrent counts wait."""
    await _sql.lock_owner(tx, owner_id=owner_id)
    return int(await _sql.count_endpoints(tx, owner_id=owner_id))


async def insert_endpoint(tx: Connection, secret: str, **values: Any) -> EndpointRow:
    row = await _sql.insert_endpoint(tx, **values)
    await _sql.insert_secret(tx, endpoint_id=row["endpoint_id"], secret=secret)
    return EndpointRow(**row)


async def list_endpoints(
    pool: Pool, owner_id: UUID | None, page: int, page_size: int
) -> tuple[list[EndpointRow], int]:
    async with connection(pool) as db:
        found = _sql.list_endpoints(
            db, owner_id=owner_id, limit=page_size, offset=offset(page, page_size)
        )
        rows = [EndpointRow(**row) async for row in found]
        return rows, await _sql.count_endpoints(db, owner_id=owner_id)


async def endpoint(db: Connection, endpoint_id: UUID, owner_id: UUID | None) -> EndpointRow | None:
    row = await _sql.endpoint(db, endpoint_id=endpoint_id, owner_id=owner_id)
    return None if row is None else EndpointRow(**row)


async def lock_endpoint(
    tx: Connection, endpoint_id: UUID, owner_id: UUID | None
) -> EndpointRow | None:
    row = await _sql.lock_endpoint(tx, endpoint_id=endpoint_id, owner_id=owner_id)
    return None if row is None else EndpointRow(**row)


async def change_endpoint(
    tx: Connection,
    endpoint_id: UUID,
    *,
    url: str | None,
    event_types: list[str] | None,
    active: bool | None,
) -> EndpointRow:
    """Values of None stay unchanged."""
    row = await _sql.change_endpoint(
        tx, endpoint_id=endpoint_id, url=url, event_types=event_types, active=active
    )
    return EndpointRow(**row)


async def delete_endpoint(pool: Pool, endpoint_id: UUID, owner_id: UUID | None) -> bool:
    async with transaction(pool) as tx:
        deleted = await _sql.delete_endpoint(tx, endpoint_id=endpoint_id, owner_id=owner_id)
        return bool(deleted)


async def replace_secret(
    tx: Connection, endpoint_id: UUID, secret: str, *, overlap_hours: int, most: int
) -> datetime:
    """The new secret signs from now on; older ones also sign until the returned time."""
    until: datetime = await _sql.end_secrets(
        tx, endpoint_id=endpoint_id, overlap_hours=overlap_hours
    )
    await _sql.insert_secret(tx, endpoint_id=endpoint_id, secret=secret)
    await _sql.drop_secrets(tx, endpoint_id=endpoint_id, most=most)
    return until


# Deliveries.


async def list_deliveries(
    db: Connection, endpoint_id: UUID, state: str | None, page: int, page_size: int
) -> tuple[list[DeliveryRow], int]:
    """A page, and the total number counted up to COUNTED_MAX."""
    found = _sql.list_deliveries(
        db,
        endpoint_id=endpoint_id,
        state=state,
        limit=page_size,
        offset=offset(page, page_size),
    )
    rows = [DeliveryRow(**row) async for row in found]
    total = await _sql.count_deliveries(db, endpoint_id=endpoint_id, state=state, most=COUNTED_MAX)
    return rows, total


async def delivery(db: Connection, delivery_id: UUID, owner_id: UUID | None) -> SentDelivery | None:
    row = await _sql.delivery(db, delivery_id=delivery_id, owner_id=owner_id)
    if row is None:
        return None
    values = dict(row)
    body, active = values.pop("body"), values.pop("active")
    return SentDelivery(DeliveryRow(**values), body, active)


async def send_again(tx: Connection, delivery_id: UUID) -> None:
    await _sql.send_again(tx, delivery_id=delivery_id)


async def insert_test(tx: Connection, **values: Any) -> None:
    await _sql.insert_test(tx, **values)


async def claim_deliveries(
    pool: Pool,
    *,
    limit: int,
    each: int,
    busy: Collection[UUID] = (),
    owners: Sequence[UUID] = (),
    owner_most: int | None = None,
    lease_s: float,
) -> list[ClaimedDelivery]:
    """Claims up to `each` deliveries of an endpoint and `limit` in total, none of the busy endpoints.

    owners: the owners of deliveries in progress, once for each delivery. Including these, an owner gets at
    most `owner_most` (None: `limit`).
    """
    async with connection(pool) as db:
        found = _sql.claim_deliveries(
            db,
            limit=limit,
            each=each,
            busy=list(busy),
            owners=owners,
            owner_most=limit if owner_most is None else owner_most,
            lease_s=lease_s,
        )
        return [
            ClaimedDelivery(
                **{**row, "body": row["body"].encode()}
            )  # the same bytes in every attempt
            async for row in found
        ]


async def mark_delivered(
    pool: Pool,
    claimed: ClaimedDelivery,
    *,
    status: int | None,
    latency_ms: int,
    response: str | None,
) -> None:
    """Does nothing if another attempt has claimed the delivery since."""
    async with connection(pool) as db:
        await _sql.delivered(
            db,
            delivery_id=claimed.delivery_id,
            claim=claimed.claim,
            status=status,
            latency_ms=latency_ms,
            response=response,
        )


async def mark_failed(
    pool: Pool,
    claimed: ClaimedDelivery,
    *,
    delay_s: float | None,
    gone: bool,
    status: int | None,
    error: str | None,
    latency_ms: int,
    response: str | None,
) -> ChargeResult | None:
    """None if another attempt has claimed the delivery since."""
    async with connection(pool) as db:
        row = await _sql.not_delivered(
            db,
            delivery_id=claimed.delivery_id,
            claim=claimed.claim,
            delay_s=delay_s,
            gone=gone,
            status=status,
            error=error,
            latency_ms=latency_ms,
            response=response,
            give_up_hours=GIVE_UP_HOURS,
            disable_hours=DISABLE_AFTER_HOURS,
        )
    return None if row is None else ChargeResult(**row)


async def prune(pool: Pool, *, days: int, lease_s: float) -> None:
    """Deletes old rows in small steps, so that no statement holds locks for long."""
    async with connection(pool) as db:
        limit = PRUNE_BATCH_MAX
        await _sql.give_up_forgotten(db, give_up_hours=GIVE_UP_HOURS, limit=limit)
        while await _sql.prune_deliveries(db, days=days, lease_s=lease_s, limit=limit) >= limit:
            pass
        while await _sql.prune_events(db, days=days, limit=limit) >= limit:
            pass
        await _sql.prune_endpoints(db)
        await _sql.prune_secrets(db)
        await idempotency.prune_keys(db)


INVARIANTS = (
    "webhook_events_are_routed",
    "webhook_endpoints_can_sign",
    "webhook_deliveries_end",
)


async def broken_webhooks(pool: Pool, invariant: str) -> list[str]:
    """Up to DETAILS_MAX violations of one of INVARIANTS."""
    async with connection(pool) as db:
        found = getattr(_sql, f"audit_{invariant}")(
            db,
            patience=ROUTING_PATIENCE,
            give_up_hours=GIVE_UP_HOURS,
            limit=DETAILS_MAX,
        )
        return [row["broken"] async for row in found]
