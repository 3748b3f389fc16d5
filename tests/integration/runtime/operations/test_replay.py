"""What was delivered is kept, forgotten in time, and given again without a second effect."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import click
import msgspec
import pytest
from click.testing import CliRunner

from chassis.events.archive import forget, read
from chassis.events.broker import MemoryBroker
from chassis.events.envelope import Event
from chassis.events.relay import Relay
from chassis.observability import logs
from chassis.postgres.pool import Pool, open_pool
from chassis.settings import Settings
from contracts.booking import ORDER_CREATED, SEATS_HELD, OrderCreated
from runtime.operations.replaying import ReplayError, replay
from stampede.cli import events as cli_events
from stampede.cli.main import stampede
from tests.support.catalog import Catalog, catalog_tables, running_catalog, seats_changed
from tests.support.events import put_out, subscriber

LOG = logs.get("test")
NOW = datetime.now(UTC)
BEFORE, AFTER = NOW - timedelta(minutes=5), NOW + timedelta(days=1)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_url, "booking", size=4)
    yield opened
    opened.terminate()


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url)


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


def order_created() -> Event:
    order_id, moment = uuid4(), datetime(2026, 8, 15, 11, 30, tzinfo=UTC)
    told = OrderCreated(
        order_id=order_id, order_no="1", user_id=uuid4(), session_id=uuid4(), title="票",
        venue="上海体育场", starts_at=moment, time_zone="Asia/Shanghai", items=[], total_amount=1,
        currency="CNY", expires_at=moment,
    )  # fmt: skip
    event = seats_changed(ORDER_CREATED, str(order_id), {})
    return msgspec.structs.replace(event, data=msgspec.Raw(msgspec.json.encode(told)))


async def deliver(pool: Pool, events: Sequence[Event], taking: Any = None) -> None:
    """Through the outbox, to `taking` or to nobody in particular."""
    await put_out(pool, events)
    hearing = [] if taking is None else [subscriber(taking, types=frozenset({SEATS_HELD}))]
    await Relay(pool, MemoryBroker(hearing), source="booking", log=LOG, archive=True).round()


async def archived(pool: Pool, since: datetime = BEFORE, until: datetime = AFTER) -> list[Event]:
    types = [SEATS_HELD, ORDER_CREATED]
    pages = read(pool, "booking", since=since, until=until, types=types, page_rows=4)
    return [event async for page in pages for event in page]


async def taken(database_url: str) -> int:
    async with catalog_tables(database_url) as tables:
        found: int = await tables.fetchval("SELECT sum(taken) FROM areas")
        return found


async def held(catalog: Catalog, count: int) -> list[Event]:
    session = await catalog.session(await catalog.show())
    area_id = session["seat_areas"][0]["area_id"]
    return [seats_changed(SEATS_HELD, session["session_id"], {area_id: 1}) for _ in range(count)]


async def test_what_every_subscriber_took_moves_to_the_archive(pool: Pool) -> None:
    events = [seats_changed(SEATS_HELD, str(uuid4()), {}) for _ in range(4)]
    refused = events[2].subject

    async def take(batch: list[Event]) -> int | None:
        return 400 if any(one.subject == refused for one in batch) else None

    with pytest.raises(Exception, match="400"):
        await deliver(pool, events, take)
    assert await pool.fetchval("SELECT array_agg(subject) FROM outbox") == [refused]
    kept = await archived(pool)
    assert [one.id for one in kept] == [events[0].id, events[1].id, events[3].id]
    assert msgspec.json.decode(kept[0].data) == msgspec.json.decode(events[0].data)
    assert (kept[0].source, kept[0].requestid) == ("booking", "req-1")
    await Relay(pool, MemoryBroker([]), source="booking", log=LOG, archive=True).round()
    assert [one.id for one in await archived(pool)] == [one.id for one in events]


async def test_a_replay_repeats_no_effect(
    pool: Pool, settings: Settings, catalog: Catalog, database_url: str
) -> None:
    events = await held(catalog, 3)
    await catalog.deliver(events)
    await deliver(pool, events)
    assert await taken(database_url) == 3
    for _ in range(2):
        (done,) = await replay(settings, BEFORE, None, "catalog")
        assert (done.consumer, done.events) == ("catalog", 3)
    assert await taken(database_url) == 3

    async with catalog_tables(database_url) as tables:  # mutation control: no inbox, no promise
        await tables.execute("DELETE FROM inbox")
    await replay(settings, BEFORE, None, "catalog")
    assert await taken(database_url) == 6


async def test_a_consumer_gets_what_it_has_never_seen_and_nobody_else_does(
    pool: Pool, settings: Settings, catalog: Catalog, database_url: str
) -> None:
    """As after a new consumer, a new subscription, or a stream that was lost with its server."""
    seen, missed = await held(catalog, 2)
    await catalog.deliver([seen])
    await deliver(pool, [seen, missed, order_created()])
    mails = "SELECT count(*) FROM notification.messages"
    (done,) = await replay(settings, BEFORE, None, "catalog")
    assert done.events == 2
    assert await taken(database_url) == 2
    assert await pool.fetchval(mails) == 0
    everybody = {one.consumer: one.events for one in await replay(settings, BEFORE, None, None)}
    assert everybody == {"catalog": 2, "notification": 1}
    assert await taken(database_url) == 2
    assert await pool.fetchval(mails) == 1


async def test_only_what_happened_in_the_given_time_is_read_and_in_its_order(
    pool: Pool,
) -> None:
    events = [seats_changed(SEATS_HELD, str(uuid4()), {}) for _ in range(10)]
    await put_out(pool, events)
    day = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    for number, one in enumerate(events):  # from 25 days ago, two and a half days from each other
        happened = day - timedelta(days=25) + number * timedelta(days=2, hours=12)
        await pool.execute(
            "UPDATE outbox SET created_at = $2 WHERE event_id = $1", one.id, happened
        )
    await Relay(pool, MemoryBroker([]), source="booking", log=LOG, archive=True).round()
    all_of_it = await archived(pool, day - timedelta(days=29))
    assert [one.id for one in all_of_it] == [one.id for one in events]
    first, last = all_of_it[3].time, all_of_it[7].time
    some = await archived(pool, first, last)
    assert [one.id for one in some] == [one.id for one in events[3:7]]
    assert await archived(pool, first + timedelta(seconds=1), all_of_it[4].time) == []


async def test_days_are_forgotten_whole_and_in_time(pool: Pool) -> None:
    events = [seats_changed(SEATS_HELD, str(uuid4()), {}) for _ in range(5)]
    await put_out(pool, events)
    for one, days in zip(events, (0, 9, 11, 12, 30), strict=True):
        await pool.execute(
            "UPDATE outbox SET created_at = now() - $2::interval WHERE event_id = $1",
            one.id,
            timedelta(days=days),
        )
    await Relay(pool, MemoryBroker([]), source="booking", log=LOG, archive=True).round()
    assert await forget(pool, 10) == 3
    assert await forget(pool, 10) == 0
    left = await archived(pool, NOW - timedelta(days=31))
    assert {one.id for one in left} == {events[0].id, events[1].id}


async def test_a_platform_that_keeps_nothing_deletes(pool: Pool) -> None:
    await put_out(pool, [seats_changed(SEATS_HELD, str(uuid4()), {})])
    await Relay(pool, MemoryBroker([]), source="booking", log=LOG).round()
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0
    assert await pool.fetchval("SELECT count(*) FROM event_archive") == 0


HOUR = timedelta(hours=1)
WRONG: dict[str, tuple[datetime, datetime | None, str | None, str]] = {
    "future": (NOW + HOUR, None, None, "is in the future"),
    "backwards": (NOW - HOUR, NOW - 2 * HOUR, None, "--to must be later"),
    "gone": (NOW - timedelta(days=31), None, None, "kept for 30 days"),
    "unknown": (NOW - HOUR, None, "billing", "the consumers are catalog, notification"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_replay_that_makes_no_sense_is_refused_in_one_sentence(
    settings: Settings, name: str
) -> None:
    since, until, consumer, reason = WRONG[name]
    with pytest.raises(ReplayError, match=reason):
        await replay(settings, since, until, consumer)


async def test_a_consumer_that_takes_nothing_interrupts_and_the_sentence_says_where(
    pool: Pool, settings: Settings, catalog: Catalog
) -> None:
    await deliver(pool, await held(catalog, 2))
    away = msgspec.structs.replace(settings, catalog_url="http://127.0.0.1:9")
    with pytest.raises(ReplayError, match=r"catalog refuses events .* got 0, up to 20"):
        await replay(away, BEFORE, None, "catalog")


def test_the_command_ends_with_an_exit_code_and_a_sentence(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(cli_events.replay, click.Command)
    monkeypatch.setenv("STAMPEDE_DATABASE_URL", database_url)
    monkeypatch.setenv("STAMPEDE_REDIS_URL", redis_url)

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(stampede, ["replay", *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, done.output

    code, said = run("--from", f"{NOW + HOUR:%FT%TZ}")
    assert (code, "is in the future" in said) == (1, True)
    for wrong in ("yesterday", "2026-08-15T11:30:00", "0001-01-01T00:00:00+14:00"):
        code, said = run("--from", wrong)
        assert (code, "Invalid value for '--from'" in said) == (2, True), said
    code, said = run("--from", f"{NOW - HOUR:%FT%TZ}", "--consumer", "catalog")
    assert (code, said) == (0, "catalog       0 events\n")


async def test_the_archive_has_room_for_each_day_it_promises(pool: Pool) -> None:
    slots = [
        await pool.fetchval("SELECT archive_slot($1)", NOW + timedelta(days=days))
        for days in range(32)
    ]
    assert sorted(slots) == [*range(32)]
    late = datetime(2026, 3, 29, 23, 59, 59, 999_999, tzinfo=UTC)
    day = await pool.fetchval("SELECT archive_slot($1)", late)
    assert day == await pool.fetchval("SELECT archive_slot($1)", late.replace(hour=0, minute=0))
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(
            "INSERT INTO event_archive SELECT 1, 7, gen_random_uuid(), 't', 's', 'r', '{}', now()"
            " FROM generate_series(1, 2)"
        )
