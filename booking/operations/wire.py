"""Request and response bodies of operations."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from booking.operations.store import Action, Controls
from chassis.clock import second, whole_second
from chassis.http.bodies import LINE_BREAKING_CHARACTERS, full_match

REASON_LENGTH_MAX = 500
TICKETS_PER_USER_MAX = 1_000
ORDERS_PER_SECOND_MAX = 100_000
PAGE_ROWS = 50

# One line with something to see in it.
_LINE = full_match(rf"\x20*[^{LINE_BREAKING_CHARACTERS}\x20][^{LINE_BREAKING_CHARACTERS}]*")
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_LENGTH_MAX, pattern=_LINE)]


class WithReason(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`reason`: why, in one line, for whoever reads the list of actions later."""

    reason: Reason


class ChangeLimits(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Omitted limits stay unchanged. `max_tickets_per_user`: null gives the session's own limit back.
    `orders_per_second`: null removes the limit."""

    max_tickets_per_user: (
        Annotated[int, msgspec.Meta(ge=1, le=TICKETS_PER_USER_MAX)] | UnsetType | None
    ) = UNSET
    orders_per_second: (
        Annotated[int, msgspec.Meta(ge=1, le=ORDERS_PER_SECOND_MAX)] | UnsetType | None
    ) = UNSET
    reason: Reason


class SaleLimits(msgspec.Struct, frozen=True):
    """Limits that operators have set. null: none of their own."""

    max_tickets_per_user: int | None
    orders_per_second: int | None


class SaleAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How a session's sale is steered. `session_max_tickets_per_user`: the session's own limit, which holds
    while `limits` has none."""

    session_id: UUID
    paused: bool
    paused_at: datetime | None
    limits: SaleLimits
    session_max_tickets_per_user: int


class ActionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did. `before` and `after`: the controls of the sale, or the dead letter. `subject`: of a
    retry, `service/consumer/event_id`. `request_id`: of the request, for its trace."""

    id: UUID
    at: datetime
    by: UUID
    by_email: str | None
    action: str
    session_id: UUID | None
    subject: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str
    request_id: str


class ActionPage(msgspec.Struct, frozen=True):
    """Newest first."""

    items: list[ActionAnswer]
    next_cursor: str | None


class DeadLetterAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a consumer could not apply. state: `waiting` for its next attempt, or `dead` until
    somebody sends it back. `error`: without secrets."""

    service: str
    consumer: str
    event_id: UUID
    type: str
    attempts: int
    error: str
    first_failed_at: datetime
    state: Literal["waiting", "dead"]


class DeadLetterPage(msgspec.Struct, frozen=True):
    """Oldest first. `unavailable`: services that did not answer, and whose letters are missing."""

    items: list[DeadLetterAnswer]
    next_cursor: str | None
    unavailable: list[str]


class TraceSpan(msgspec.Struct, frozen=True, kw_only=True):
    """`start_ms`: since the first span. `depth`: calls stand below their callers. Values without secrets."""

    name: str
    service: str
    start_ms: float
    duration_ms: float
    depth: int
    status: str | None
    fields: dict[str, str]


class TraceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A request's way through the services, to the end of the order that it touched. `complete`: nothing was
    left out. `not_available`: why there are no spans, and what to do instead."""

    request_id: str
    order_no: str | None
    complete: bool
    spans: list[TraceSpan]
    not_available: str | None = None


class RecentTrace(msgspec.Struct, frozen=True, kw_only=True):
    """A request that failed or was slow. `name`: its method and path. `at`: when it was answered."""

    request_id: str
    at: str
    name: str
    status: str
    duration_ms: float


class RecentTraces(msgspec.Struct, frozen=True):
    """Newest first, at most fifty. `not_available`: why there are none."""

    items: list[RecentTrace]
    not_available: str | None = None


def sale_answer(controls: Controls, session_max: int) -> SaleAnswer:
    return SaleAnswer(
        session_id=controls.session_id,
        paused=controls.paused_at is not None,
        paused_at=second(controls.paused_at),
        limits=SaleLimits(controls.max_tickets_per_user, controls.orders_per_second),
        session_max_tickets_per_user=session_max,
    )


def action_answer(action: Action, email: str | None) -> ActionAnswer:
    return ActionAnswer(
        id=action.action_id,
        at=whole_second(action.at),
        by=action.by_user,
        by_email=email,
        action=action.action,
        session_id=action.session_id,
        subject=action.subject,
        before=msgspec.json.decode(action.before),
        after=msgspec.json.decode(action.after),
        reason=action.reason,
        request_id=action.request_id,
    )
