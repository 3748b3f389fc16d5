"""Rows of an outbox or archive as events. A row is one event, or it stands for several that one step has
caused: then only the service that wrote it knows how to tell them. Where the service keeps all that such a
row says anyway, the archive leaves the row out, and a replay asks the service for it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

from chassis.events.envelope import Event
from chassis.postgres.pool import Connection


class Part(NamedTuple):
    """One of the events that a row stands for. `data` is JSON."""

    id: UUID
    type: str
    data: bytes


class Unfolding(Protocol):
    """What a service knows of its rows that stand for several events."""

    @property
    def types(self) -> Mapping[str, Sequence[str]]:
        """Type of the row → types of its events, in their order."""

    async def unfold(self, db: Connection, rows: Sequence[Any]) -> list[list[Part]]:
        """For each of these rows, which are of `types`: its events, with the same ids and data whenever it is
        asked. None for a row of something that was deleted since."""

    @property
    def unarchived(self) -> Collection[str]:
        """Those of `types` whose rows `past_rows` can tell again. Each is the first of its subject."""

    async def past_rows(
        self, db: Connection, *, since: datetime, until: datetime, after: UUID, limit: int
    ) -> list[Any]:
        """The next rows of `unarchived`, ascending by event_id, with ids above `after`: as they were in the
        outbox, where some may still be. Created from `since` up to but not including `until`."""


async def events_of(
    db: Connection, rows: Sequence[Any], source: str, unfolding: Unfolding | None
) -> list[list[Event]]:
    """For each row its events."""
    folded = unfolding.types if unfolding is not None else {}
    standing_for_several = [row for row in rows if row["type"] in folded]
    unfolded: list[list[Part]] = []
    if unfolding is not None and standing_for_several:
        unfolded = await unfolding.unfold(db, standing_for_several)
    several = iter(unfolded)
    return [
        [
            _event(row, part, source)
            for part in (next(several) if row["type"] in folded else _plain(row))
        ]
        for row in rows
    ]


def _plain(row: Any) -> list[Part]:
    return [Part(row["event_id"], row["type"], row["data"].encode())]


def row_types(types: Sequence[str], unfolding: Unfolding | None) -> list[str]:
    """The types of rows that have events of `types`."""
    folded = unfolding.types if unfolding is not None else {}
    return [*types, *(row for row, events in folded.items() if not set(events).isdisjoint(types))]


def _event(row: Any, part: Part, source: str) -> Event:
    return Event(
        id=part.id,
        type=part.type,
        source=source,
        subject=row["subject"],
        time=row["created_at"],
        requestid=row["request_id"],
        data=msgspec.Raw(part.data),
        traceparent=row.get("traceparent") or msgspec.UNSET,  # the archive has none
    )
