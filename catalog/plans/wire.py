"""Answers about plans. Their documents are catalog.halls.document.PlanDocument."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from catalog.maps.wire import AreaShape, HallShape


class PlanSummary(msgspec.Struct, frozen=True):
    """`revision`: how often it was replaced, from 1 on; the entity tag of the plan, for If-Match."""

    plan_id: UUID
    venue_id: UUID
    name: str
    seats: int
    revision: int
    created_at: datetime
    changed_at: datetime


class Plan(PlanSummary, frozen=True):
    """`document` is what POST and PUT take."""

    document: dict[str, Any]


class PlanList(msgspec.Struct, frozen=True):
    plans: list[PlanSummary]
    page: int
    page_size: int
    total: int


class SectionForm(AreaShape, frozen=True, kw_only=True):
    """A section, with the seat ids that it has in a session. `key`: its name in `prices` of a session."""

    key: str


class PlanHall(HallShape, frozen=True, kw_only=True):
    """A plan laid out, in the form of a session's hall."""

    plan_id: UUID
    revision: int
    areas: list[SectionForm]
