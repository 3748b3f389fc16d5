"""PostgreSQL for one service: its pool, its schema, its named queries, its errors as Problems.

A service has one schema and its connections see no other (`search_path`), so its SQL names tables
without a schema and cannot name somebody else's. Queries live in `.sql` files (aiosql) beside their
store. Times are timestamptz, money bigint in minor units, ids uuid.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import aiosql
import asyncpg
from asyncpg.connect_utils import SessionAttribute

from chassis.postgres import adapter as sql_adapter
from chassis.problems import Overloaded, Unavailable

if TYPE_CHECKING:  # generic for the type checker only
    Connection = (
        asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]
    )
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

STATEMENT_TIMEOUT_MS = 10_000  # no request may keep a lock for longer than it is waited for
ACQUIRE_TIMEOUT_S = 5.0
# The server is not there, is going or coming, is no longer the primary, or has ended our session: nobody's
# mistake. Whether a statement had its effect before, none of them says.
UNAVAILABLE = (
    OSError,  # a TimeoutError too
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # ProtocolError, TargetServerAttributeNotMatched
    asyncpg.PostgresConnectionError,  # class 08
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.DatabaseDroppedError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a primary that has been told to stop
    asyncpg.StatementCompletionUnknownError,
    asyncpg.InsufficientResourcesError,  # class 53: disk, memory, connections
    asyncpg.PostgresSystemError,  # class 58: its disk
)

# A statement that took too long, or one of two transactions in each other's way: undone for certain.
ROLLED_BACK = (
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)


async def open_pool(database_url: str, schema: str, *, size: int) -> Pool:
    """A pool whose connections see `schema` only. Opens one connection now, up to `size` later.

    Raises one of UNAVAILABLE when it cannot.
    """
    return await asyncpg.create_pool(
        database_url,
        target_session_attrs=wanted_server(database_url),
        min_size=1,
        max_size=size,
        max_inactive_connection_lifetime=300,
        reset=_as_it_is,
        command_timeout=STATEMENT_TIMEOUT_MS / 1000 + 1,
        server_settings={
            "search_path": schema,
            "timezone": "UTC",
            "application_name": f"stampede-{schema}",
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "idle_in_transaction_session_timeout": "30000",
        },
    )


def wanted_server(database_url: str) -> SessionAttribute | None:
    """`target_session_attrs` for asyncpg: of several servers the one that takes writes, unless the URL
    says otherwise itself."""
    parts = urlsplit(database_url)
    query = parse_qs(parts.query)
    if "target_session_attrs" in query:
        return None
    hosts = parts.netloc.rpartition("@")[2] + "".join(query.get("host", ()))
    return SessionAttribute.read_write if "," in hosts else None


async def _as_it_is(_used: Any) -> None:
    """No RESET between two uses: that is one more round trip for each, and nothing here changes a
    connection's settings. asyncpg itself rolls back what was left open before it calls this. What
    takes locks that outlive a transaction uses `own_session`.
    """


@contextlib.asynccontextmanager
async def own_session(pool: Pool) -> AsyncIterator[Connection]:
    """A connection that is reset before others get it: advisory locks of the session end with it."""
    async with connection(pool) as db:
        try:
            yield db
        finally:
            with contextlib.suppress(*UNAVAILABLE, asyncpg.PostgresError):
                await db.reset(timeout=ACQUIRE_TIMEOUT_S)


@contextlib.asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """A connection for a moment. No free one in time is Overloaded; no database is Unavailable, and then
    nobody knows whether the last statement had its effect.

    After a failover a connection may be left that only reads: then all are made anew.
    """
    try:
        acquired = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
    except TimeoutError as late:
        raise Overloaded("The database has no connection to spare.") from late
    except UNAVAILABLE as down:
        raise Unavailable("The database does not answer.") from down
    try:
        yield acquired
    except UNAVAILABLE as down:
        if isinstance(down, asyncpg.ReadOnlySQLTransactionError):
            await pool.expire_connections()
        raise Unavailable("The database does not answer.") from down
    finally:
        with contextlib.suppress(*UNAVAILABLE):  # what was asked of it has its outcome already
            await pool.release(acquired)


@contextlib.asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection inside a transaction. Never await anything but this database within it."""
    async with connection(pool) as tx, tx.transaction():
        yield tx


def load_queries(directory: Path) -> Any:
    """The named queries of a folder of .sql files, as aiosql's `queries.name(connection, arg=…)`."""
    return aiosql.from_path(directory, sql_adapter.NAME, mandatory_parameters=False)
