"""PostgreSQL for one service: pool, schema, named queries, and its errors as Problems.

A service has one schema, and its connections see no other (`search_path`). So its SQL names tables
without a schema and cannot use another service's tables. Queries are in `.sql` files (aiosql) beside
their store. Times are timestamptz, money is bigint in minor units, ids are uuid.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiosql
import asyncpg

from chassis.context import current
from chassis.postgres import adapter as sql_adapter
from chassis.postgres.connecting import FirmConnection, Servers
from chassis.problems import Overloaded, Unavailable

if TYPE_CHECKING:  # generic for the type checker only
    Connection = (
        asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]
    )
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

STATEMENT_TIMEOUT_MS = 10_000  # no request may hold a lock longer than others wait for it
ACQUIRE_TIMEOUT_S = 5.0
# The server is down, starting or stopping, is no longer the primary, or has ended our session. No
# caller is to blame. None of these errors says if the statement took effect.
UNAVAILABLE = (
    OSError,  # includes TimeoutError
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
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a primary that was told to stop
    asyncpg.StatementCompletionUnknownError,
    asyncpg.InsufficientResourcesError,  # class 53: disk, memory, connections
    asyncpg.PostgresSystemError,  # class 58: its disk
)

# A statement that took too long, a transaction in conflict with another, or a plan that a migration made
# invalid (asyncpg forgets it): certainly rolled back.
ROLLED_BACK = (
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,
)


class ServicePool(asyncpg.Pool):
    """`waiting`: how many callers of `connection` have none yet."""

    __slots__ = ("waiting",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.waiting = 0


class PoolBehindPooler(ServicePool):
    """Its connections lead to a pooler that gives them a server for one transaction at a time. `direct_url`
    leads around it, for sessions that must keep their server."""

    __slots__ = ("direct_url", "schema")
    direct_url: str
    schema: str


async def open_pool(
    database_url: str,
    schema: str,
    *,
    size: int,
    direct_url: str | None = None,
    at_once: bool = True,
) -> Pool:
    """A pool whose connections see only `schema`. Opens one connection now, up to `size` later.

    at_once: False opens none now, for a server that may be away.

    direct_url: given if `database_url` leads to a pooler (chassis.postgres.pooler says to which).
    Raises one of UNAVAILABLE if it cannot.
    """
    pool = PoolBehindPooler if direct_url is not None else ServicePool
    connect: Any = Servers(database_url).connect  # asyncpg's own declaration lists every option
    opening = pool(
        connect=connect,
        **_connecting(schema, pooled=direct_url is not None),
        min_size=1 if at_once else 0,
        max_size=size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300,
        reset=_as_it_is,
        loop=None,
        connection_class=FirmConnection,
        record_class=asyncpg.Record,
    )
    if isinstance(opening, PoolBehindPooler):
        assert direct_url is not None
        opening.direct_url, opening.schema = direct_url, schema
    return await opening


def _connecting(schema: str, *, pooled: bool) -> dict[str, Any]:
    """A pooler takes no timeouts at the start: there they are settings of the role."""
    limits = {
        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": "30000",
    }
    return {
        "command_timeout": STATEMENT_TIMEOUT_MS / 1000 + 1,
        "server_settings": {
            "search_path": schema,
            "timezone": "UTC",
            "application_name": f"stampede-{schema}",
            **({} if pooled else limits),
        },
    }


async def _as_it_is(_used: Any) -> None:
    """No RESET between two uses: it would cost a round trip each time, and nothing here changes a
    connection's settings. asyncpg itself rolls back an open transaction before it calls this. Locks that
    outlive a transaction need `own_session`."""


@contextlib.asynccontextmanager
async def own_session(pool: Pool) -> AsyncIterator[Connection]:
    """A connection that is reset before others get it, so that its session-level advisory locks end.

    Behind a pooler it is one of its own, past the pooler: there, a lock would stay with a server that
    others use.
    """
    if isinstance(pool, PoolBehindPooler):
        async with _past_the_pooler(pool) as db:
            yield db
        return
    async with connection(pool) as db:
        try:
            yield db
        finally:
            with contextlib.suppress(*UNAVAILABLE, asyncpg.PostgresError):
                await db.reset(timeout=ACQUIRE_TIMEOUT_S)


@contextlib.asynccontextmanager
async def _past_the_pooler(pool: PoolBehindPooler) -> AsyncIterator[Connection]:
    try:
        options = _connecting(pool.schema, pooled=False)
        db = await Servers(pool.direct_url).connect(timeout=ACQUIRE_TIMEOUT_S, **options)
    except UNAVAILABLE as down:
        raise Unavailable("The database does not answer.") from down
    try:
        yield db
        _refuse_unreplicated(db)
    except UNAVAILABLE as down:
        _refuse_cancelled(down)
        raise Unavailable("The database does not answer.") from down
    finally:
        with contextlib.suppress(*UNAVAILABLE):
            await db.close(timeout=ACQUIRE_TIMEOUT_S)


@contextlib.asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """Lends a connection. Raises Overloaded if none is free in time, Unavailable if the database does not
    answer, or no longer waits for its standby. Then nobody knows if the last statement took effect.

    After a failover, a connection may remain that is read-only or leads nowhere: then all connections are
    replaced.
    """
    counted = pool if isinstance(pool, ServicePool) else None
    if counted is not None:
        counted.waiting += 1
    began_s = time.perf_counter()
    try:
        acquired = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
    except TimeoutError as late:
        current().spend("postgres", began_s)
        raise Overloaded("No database connection is free.") from late
    except UNAVAILABLE as down:
        raise Unavailable("The database does not answer.") from down
    finally:
        if counted is not None:
            counted.waiting -= 1
    try:
        yield acquired
        _refuse_unreplicated(acquired)
    except UNAVAILABLE as down:
        if isinstance(down, asyncpg.ReadOnlySQLTransactionError):
            await pool.expire_connections()
        _refuse_cancelled(down)
        raise Unavailable("The database does not answer.") from down
    finally:
        with contextlib.suppress(*UNAVAILABLE):  # its statements have their outcome already
            await pool.release(acquired)
        current().spend("postgres", began_s)


def _refuse_unreplicated(db: Connection) -> None:
    if getattr(db, "unreplicated", False):
        db.terminate()
        raise Unavailable("The database has not confirmed that this is safe.")


def _refuse_cancelled(down: BaseException) -> None:
    """A cancelled task rolls back on a dropped connection, which fails. It is cancelled all the same."""
    cause: BaseException | None = down
    while cause is not None:
        if isinstance(cause, asyncio.CancelledError):
            raise cause
        cause = cause.__context__


@contextlib.asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection inside a transaction. Await nothing but this database within it."""
    async with connection(pool) as tx, tx.transaction():
        yield tx


def load_queries(directory: Path) -> Any:
    """The named queries of a folder of .sql files, as aiosql's `queries.name(connection, arg=…)`."""
    return aiosql.from_path(directory, sql_adapter.NAME, mandatory_parameters=False)
