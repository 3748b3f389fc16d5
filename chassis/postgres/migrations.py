"""Brings a service's schema to the version of this code, while older code runs on it.

Only forward, each file once (chassis.postgres.migration_files), one migrator at a time in a database. A
migration waits only briefly for a table, because every statement that comes after it waits behind it. Then
it lets them pass and tries again. A file that was changed after it was applied stops everything.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from chassis.concurrency.backoff import Backoff
from chassis.postgres.connecting import Servers
from chassis.postgres.migration_files import (
    Migration,
    MigrationError,
    Phase,
    newest,
    read_migrations,
)
from chassis.postgres.pool import load_queries

__all__ = ["MigrationError", "Patience", "Phase", "check_schema", "migrate", "pending"]

if TYPE_CHECKING:  # generic for the type checker only
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

ONLINE_LOCK_TIMEOUT_S = 60  # without a transaction nobody waits behind it
TURN_INTERVAL_S = 0.2
BEHIND = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_LIST = (
    "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, digest text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now(), needs int)"
)

_sql = load_queries(Path(__file__).parent / "sql" / "migrations.sql")


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a migration waits, and for what."""

    turn_s: float = 60.0  # for another migrator
    lock_timeout_ms: int = 300  # for a table: so long others may have to wait too
    tries_max: int = 40
    retry: Backoff = Backoff(first_s=0.2, most_s=3.0)


PATIENCE = Patience()


class State(msgspec.Struct, frozen=True):
    """What is applied: name → digest. `needs`: name → the oldest code that still works."""

    digests: dict[str, str]
    needs: dict[str, int]


async def migrate(
    database_url: str,
    schema: str,
    directory: Path,
    *,
    phase: Phase | None = None,
    patience: Patience = PATIENCE,
) -> list[str]:
    """Applies what is missing in `schema`, expands first. Returns the names of the files applied.

    database_url: a direct one, not a pooler's. phase: only this one; contract is refused while an expand
    is missing. Raises MigrationError if a lock is not to be had in the end. What was applied stays applied.
    """
    migrations = read_migrations(directory)
    async with _connected(database_url, schema) as db, _turn(db, patience.turn_s):
        await _make_list(db, schema, patience)
        missing = _missing(migrations, await _state(db))
        if phase is Phase.CONTRACT and any(one.phase is Phase.EXPAND for one in missing):
            raise MigrationError(
                f"The schema {schema} lacks expanding migrations: run"
                " `stampede migrate --phase expand`, and start the new code, before the contract."
            )
        wanted = _in_order(missing, phase)
        for one in wanted:
            await _apply(db, one, patience)
        return [one.name for one in wanted]


async def pending(
    database_url: str, schema: str, directory: Path, *, phase: Phase | None = None
) -> list[Migration]:
    """What `migrate` would apply, in its order. Changes nothing."""
    migrations = read_migrations(directory)
    async with _connected(database_url, schema) as db:
        return _in_order(_missing(migrations, await _state(db)), phase)


async def check_schema(database_url: str, schema: str, directory: Path) -> None:
    """Raises MigrationError if this code cannot work on `schema`: an expand is missing, or a newer
    release's contract has removed what this code needs."""
    migrations = read_migrations(directory)
    async with _connected(database_url, schema) as db:
        state = await _state(db)
    missing = _in_order(_missing(migrations, state), Phase.EXPAND)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise MigrationError(
            f"The schema {schema} is too old for this code, it lacks {missing[0].name}{more}:"
            " run `stampede migrate` first."
        )
    known = {one.name for one in migrations}
    for name, needs in sorted(state.needs.items()):
        if name not in known and needs > newest(migrations):
            raise MigrationError(
                f"The schema {schema} is too new for this code: {name} needs code with migration"
                f" {needs:04}, and this code ends at {newest(migrations):04}. Start the newer release."
            )


def _missing(migrations: Sequence[Migration], state: State) -> list[Migration]:
    for one in migrations:
        if state.digests.get(one.name, one.digest) != one.digest:
            raise MigrationError(
                f"{one.name} was changed after this database applied it: put the change into a "
                "new migration, or start with an empty database."
            )
    return [one for one in migrations if one.name not in state.digests]


def _in_order(missing: Sequence[Migration], phase: Phase | None) -> list[Migration]:
    return [one for each in Phase if phase in {None, each} for one in missing if one.phase is each]


@contextlib.asynccontextmanager
async def _connected(database_url: str, schema: str) -> AsyncIterator[Connection]:
    connection = await Servers(database_url).connect(
        server_settings={
            "search_path": schema,
            "timezone": "UTC",
            "application_name": "stampede-migrate",
            "statement_timeout": "0",  # a backfill may take long
        },
    )
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _turn(db: Connection, turn_s: float) -> AsyncIterator[None]:
    """The lock ends with the connection."""
    give_up = time.monotonic() + turn_s
    while not await _sql.try_migrator(db):
        if time.monotonic() > give_up:
            raise MigrationError(
                f"Another migration has been running for {turn_s:g} s: wait for its end, then try again."
            )
        await asyncio.sleep(TURN_INTERVAL_S)
    yield


async def _make_list(db: Connection, schema: str, patience: Patience) -> None:
    await db.execute(f"SET lock_timeout = {patience.lock_timeout_ms}")
    if not await _sql.has_migrations(db):
        await db.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        await db.execute(_LIST)
    elif not await _sql.has_needs(db):
        await db.execute("ALTER TABLE migrations ADD COLUMN needs int")


async def _state(db: Connection) -> State:
    if not await _sql.has_migrations(db):
        return State({}, {})
    rows = [row async for row in _sql.applied(db)]
    return State(
        {row["name"]: row["digest"] for row in rows},
        {row["name"]: row["needs"] for row in rows if row["needs"] is not None},
    )


async def _apply(db: Connection, one: Migration, patience: Patience) -> None:
    for failures in range(1, patience.tries_max + 1):
        try:
            if one.transactional:
                await _apply_in_transaction(db, one, patience.lock_timeout_ms)
            else:
                await _apply_online(db, one)
        except BEHIND:
            await asyncio.sleep(patience.retry.delay_s(failures))
        else:
            return
    raise MigrationError(
        f"{one.name} did not get its locks in {patience.tries_max} tries: look for long transactions"
        " in pg_stat_activity, then run `stampede migrate` again."
    )


async def _apply_in_transaction(db: Connection, one: Migration, lock_timeout_ms: int) -> None:
    async with db.transaction():
        await db.execute(f"SET LOCAL lock_timeout = {lock_timeout_ms}")
        await db.execute(one.text)
        await _record(db, one)


async def _apply_online(db: Connection, one: Migration) -> None:
    """Not in one step with its record: killed between them, it is run again."""
    if one.index is not None and await _sql.is_invalid_index(db, index=one.index):
        await db.execute(f'DROP INDEX CONCURRENTLY "{one.index}"')
    await db.execute(f"SET lock_timeout = '{ONLINE_LOCK_TIMEOUT_S}s'")
    await db.execute(one.text)
    await _record(db, one)


async def _record(db: Connection, one: Migration) -> None:
    await _sql.record(db, name=one.name, digest=one.digest, needs=one.needs)
