"""What stands between us and PostgreSQL, and whether we can work through it (ADR 56).

A pooler such as PgBouncer in transaction mode gives a connection another server for each transaction. Then
session-level locks are nobody's, and prepared statements and `search_path` follow only if the pooler makes
them follow. All of that is found by what it does, since no pooler says what it is.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

import asyncpg

from chassis.postgres.connecting import Servers
from chassis.postgres.pool import Connection, load_queries

URL = "STAMPEDE_DATABASE_URL"
DIRECT_URL = "STAMPEDE_DATABASE_DIRECT_URL"

_sql = load_queries(Path(__file__).parent / "sql" / "pooler.sql")


class PoolerError(Exception):
    """Stampede cannot work through what the URLs lead to. The message says what to do."""


async def check_pooler(
    database_url: str, direct_url: str | None, schemas: Sequence[str] = ()
) -> None:
    """Raises PoolerError if `database_url` leads to a pooler and no usable `direct_url` leads around it, or
    if the pooler does not carry what connections on `schemas` need."""
    if direct_url is None:
        async with _connected(database_url) as db:
            if await _is_pooled(db):
                raise PoolerError(
                    f"{URL} leads to a connection pooler such as PgBouncer: set {DIRECT_URL} to"
                    " PostgreSQL itself, for leaders, locks and migrations."
                )
        return
    async with _connected(direct_url) as db:
        if await _is_pooled(db):
            raise PoolerError(
                f"{DIRECT_URL} leads to a connection pooler: it must lead to PostgreSQL itself."
            )
        home = await _sql.whereabouts(db)
    for schema in schemas:
        await _check_schema(database_url, schema, home)


async def _check_schema(database_url: str, schema: str, home: asyncpg.Record) -> None:
    try:
        async with _connected(database_url, search_path=schema, timezone="UTC") as db:
            await _check_statements(db)
            settings = await _sql.session_settings(db)
            there = await _sql.whereabouts(db)
    except asyncpg.ProtocolViolationError as refused:
        raise PoolerError(
            f"The pooler at {URL} refuses a connection ({refused}): it needs PgBouncer 1.21 or newer, with"
            " track_extra_parameters = IntervalStyle, search_path."
        ) from None
    if tuple(there) != tuple(home):
        raise PoolerError(f"{URL} and {DIRECT_URL} lead to different servers or databases.")
    if settings["search_path"].strip('"') != schema:
        raise PoolerError(
            f"The pooler at {URL} does not carry search_path to PostgreSQL: set track_extra_parameters ="
            " IntervalStyle, search_path (with PostgreSQL 18 or newer)."
        )
    if settings["statement_timeout"] == "0":
        raise PoolerError(
            f"Statements through the pooler at {URL} have no time limit: ALTER ROLE … SET"
            " statement_timeout = '10s' for its role, and RECONNECT the pooler."
        )


async def _check_statements(db: Connection) -> None:
    """A pooler that tracks prepared statements gives them names of its own."""
    name = f"stampede_{uuid4().hex}"
    async with db.transaction():
        kept = await db.prepare("SELECT 1", name=name)  # asyncpg closes one that nobody keeps
        if kept and await _sql.is_prepared(db, name=name) and await _is_pooled(db):
            await db.execute(f"DEALLOCATE {name}")
            raise PoolerError(
                f"The pooler at {URL} does not track prepared statements: it needs PgBouncer 1.21 or newer,"
                " with pool_mode = transaction and max_prepared_statements above 0."
            )


async def _is_pooled(db: Connection) -> bool:
    """A pooler makes up the process id that it tells at the start, for cancel requests."""
    return bool(db.get_server_pid() != await _sql.own_pid(db))


@contextlib.asynccontextmanager
async def _connected(database_url: str, **settings: str) -> AsyncIterator[Connection]:
    db = await Servers(database_url).connect(
        server_settings=settings or None, statement_cache_size=0
    )
    try:
        yield db
    finally:
        await db.close()
