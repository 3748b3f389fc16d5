"""Controls of sales and operators' actions in PostgreSQL."""

from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from chassis.context import current
from chassis.ids import uuid7
from chassis.postgres.pool import Connection, load_queries
from chassis.postgres.rows import fields

queries = load_queries(Path(__file__).parent / "sql")

Doing = Literal["pause", "resume", "limits", "retry"]


class Controls(msgspec.Struct, frozen=True):
    """How a session's sale is steered. None: not paused; catalog's limit; no limit.

    version: 0 until somebody has steered it; it grows with each change.
    """

    session_id: UUID
    paused_at: datetime | None = None
    max_tickets_per_user: int | None = None
    orders_per_second: int | None = None
    version: int = 0


class NewAction(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody does. `before` and `after` are JSON. subject: of a retry, `service/consumer/event`."""

    by_user: UUID
    action: Doing
    reason: str
    before: bytes
    after: bytes
    session_id: UUID | None = None
    subject: str | None = None


class Action(msgspec.Struct, frozen=True, kw_only=True):
    action_id: UUID
    at: datetime
    by_user: UUID
    action: str
    session_id: UUID | None
    subject: str | None
    before: str
    after: str
    reason: str
    request_id: str


async def lock_controls(tx: Connection, session_id: UUID) -> None:
    """Until the transaction ends, no order of the session is placed."""
    await queries.lock_controls(tx, session_id=session_id)


async def get_controls(db: Connection, session_id: UUID) -> Controls:
    row = await queries.get_controls(db, session_id=session_id)
    return Controls(session_id) if row is None else Controls(**fields(row, Controls))


async def controls_in_force(db: Connection, *, limit: int) -> list[Controls]:
    found = queries.controls_in_force(db, limit=limit)
    return [Controls(**fields(row, Controls)) async for row in found]


async def set_controls(tx: Connection, wanted: Controls) -> Controls:
    """As they are from now on, with a new version. Call lock_controls first."""
    row = await queries.set_controls(
        tx,
        session_id=wanted.session_id,
        paused=wanted.paused_at is not None,
        max_tickets_per_user=wanted.max_tickets_per_user,
        orders_per_second=wanted.orders_per_second,
    )
    return Controls(**fields(row, Controls))


async def record_action(tx: Connection, new: NewAction) -> None:
    """In the transaction of what the action does."""
    await queries.record_action(
        tx,
        action_id=uuid7(),
        by_user=new.by_user,
        action=new.action,
        session_id=new.session_id,
        subject=new.subject,
        before=new.before.decode(),
        after=new.after.decode(),
        reason=new.reason,
        request_id=current().request_id,
    )


async def list_actions(db: Connection, *, before: UUID, limit: int) -> list[Action]:
    found = queries.list_actions(db, before=before, limit=limit)
    return [Action(**fields(row, Action)) async for row in found]
