"""`stampede replay`: delivers past events to consumers again, in the way they came.

A consumer's inbox knows the events that it has applied, so none is applied twice. Events that it has not
applied are applied now: the consumer did not exist yet, did not want that type yet, or lost its data.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from booking.events.unfolding import ORDER_STEPS
from chassis.events import archive
from chassis.events.broker import EVENTS_PATH, Subscriber, calls
from chassis.events.envelope import Event, EventBatch
from chassis.postgres.pool import connection
from chassis.problems import Unavailable
from chassis.seam.client import UpstreamRefused
from chassis.settings import Settings
from runtime.compose import compose, subscribers

SOURCE = "booking"  # the service that publishes


class ReplayError(Exception):
    """The replay is impossible or was interrupted. One sentence says why."""


class Replayed(msgspec.Struct):
    """The number of events delivered to a consumer. The consumer's log says how many were new."""

    consumer: str
    events: int = 0


async def replay(
    loaded: Settings, since: datetime, until: datetime | None, consumer: str | None
) -> list[Replayed]:
    """From `since` up to but not including `until` (None: now), to one consumer or (None) to all."""
    local = [name for name in ("catalog", "notification") if not getattr(loaded, f"{name}_url")]
    platform = compose(loaded, local)
    hearing = _chosen(subscribers(platform.wiring.upstreams), consumer)
    pool = await platform.wiring.open_pool(SOURCE, size=1)
    try:
        async with connection(pool) as db:
            now = await archive.database_now(db)
        until = _checked(since, until, now, loaded.event_archive_days)
        types = sorted(set().union(*(one.types for one in hearing)))
        given = {one.name: Replayed(one.name) for one in hearing}
        interrupted: ReplayError | None = None
        async with platform.running():
            try:
                pages = archive.read(
                    pool, SOURCE, since=since, until=until, types=types, unfolding=ORDER_STEPS
                )
                async for page in pages:
                    for subscriber in hearing:
                        await _give(subscriber, page, given[subscriber.name])
            # an app that is closing would wrap it in an exception group
            except ReplayError as refusal:
                interrupted = refusal
        if interrupted is not None:
            raise interrupted
        return list(given.values())
    finally:
        await pool.close()


def _chosen(known: Sequence[Subscriber], consumer: str | None) -> list[Subscriber]:
    chosen = [one for one in known if consumer in {None, one.name}]
    if not chosen:
        names = ", ".join(one.name for one in known)
        raise ReplayError(f"{consumer} is not a consumer of events; the consumers are {names}.")
    return chosen


def _checked(since: datetime, until: datetime | None, now: datetime, kept_days: int) -> datetime:
    """The end of the replay."""
    horizon = now - timedelta(days=kept_days)
    if kept_days == 0:
        raise ReplayError("No events are kept here: STAMPEDE_EVENT_ARCHIVE_DAYS is 0.")
    if since > now:
        raise ReplayError(f"--from {since:%FT%TZ} is in the future; it is {now:%FT%TZ} now.")
    if until is not None and until <= since:
        raise ReplayError("--to must be later than --from.")
    if since < horizon:
        raise ReplayError(
            f"Events are kept for {kept_days} days, so --from must not be before {horizon:%FT%TZ}."
        )
    return min(until or now, now)


async def _give(subscriber: Subscriber, page: Sequence[Event], given: Replayed) -> None:
    for call in calls([event for event in page if event.type in subscriber.types]):
        body = msgspec.json.encode(EventBatch(call))
        try:
            await subscriber.client.request("POST", EVENTS_PATH, body)
        except (UpstreamRefused, Unavailable) as refusal:
            raise ReplayError(
                f"{subscriber.name} refuses events ({refusal}); it got {given.events},"
                f" up to {call[0].time:%FT%TZ}. Run it again: events are not applied twice."
            ) from None
        given.events += len(call)
