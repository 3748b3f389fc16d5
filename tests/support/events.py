"""A schema with an outbox and an inbox, and subscribers over it, to test event delivery."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from chassis.events.broker import Subscriber
from chassis.events.envelope import Event, EventBatch
from chassis.ids import uuid7
from chassis.postgres.pool import Connection
from chassis.seam.client import ServiceClient

TYPE = "stampede.tests.happened.v1"
TABLES = """
CREATE SCHEMA scratch;
SET search_path TO scratch;
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL, type text NOT NULL, subject text NOT NULL, request_id text NOT NULL,
    data jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), traceparent text
);
CREATE TABLE inbox (event_id uuid PRIMARY KEY, taken_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE dead_letters (
    event_id uuid PRIMARY KEY, event jsonb NOT NULL, reason text NOT NULL,
    attempts int NOT NULL DEFAULT 1, first_failed timestamptz NOT NULL DEFAULT now(),
    last_failed timestamptz NOT NULL DEFAULT now(), next_attempt timestamptz
);
CREATE TABLE effects (place bigint GENERATED ALWAYS AS IDENTITY, subject text, number int);
"""


async def make_scratch_schema(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(TABLES)
    finally:
        await connection.close()


def event(number: int, subject: str = "a", type_: str = TYPE) -> Event:
    return Event(
        id=uuid7(),
        type=type_,
        source="scratch",
        subject=subject,
        time=datetime.now(UTC),
        requestid="req-1",
        data=msgspec.Raw(msgspec.json.encode({"number": number})),
    )


def numbers(events: Sequence[Event]) -> list[int]:
    return [msgspec.json.decode(one.data)["number"] for one in events]


async def write_effects(db: Connection, events: Sequence[Event]) -> None:
    """An effect that shows order and duplicates. An event with a negative number fails."""
    for one, number in zip(events, numbers(events), strict=True):
        if number < 0:
            raise ValueError(f"number {number} is poison")
        await db.execute(
            "INSERT INTO effects (subject, number) VALUES ($1, $2)", one.subject, number
        )


async def put_out(pool: Any, events: Sequence[Event]) -> None:
    """Commits the events to the outbox, as a use case does."""
    await pool.executemany(
        "INSERT INTO outbox (event_id, type, subject, request_id, data)"
        " VALUES ($1, $2, $3, $4, $5::jsonb)",
        [(e.id, e.type, e.subject, e.requestid, bytes(e.data).decode()) for e in events],
    )


Take = Callable[[list[Event]], Awaitable[int | None]]


def subscriber(take: Take, name: str = "test", types: frozenset[str] = frozenset({TYPE})) -> Any:
    """A subscriber whose app is `take(events)`. It answers with the status that `take` returns."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        try:
            status = await take(msgspec.json.decode(body, type=EventBatch).events) or 204
        except Exception:
            status = 503
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return Subscriber(name, ServiceClient(app, deadline_s=5), types)
