"""aiosql's asyncpg adapter, for callers that always pass a connection.

aiosql's own adapter searches `dir(connection)` at every call to find out whether it got a pool. That
takes some twenty microseconds per statement: more than many statements take.

Where the process traces, each statement is a span by its name; its arguments are never in it.
"""

import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter

from chassis.context import current
from chassis.spans import CLIENT, SWITCH

NAME = "asyncpg-connection"
Result = TypeVar("Result")


class ConnectionAdapter(AsyncPGAdapter):
    """`queries.name(connection, …)`. It never acquires a connection from a pool."""

    def _values(self, query_name: str, parameters: Any) -> Any:
        return self.maybe_order_params(query_name, parameters)  # type: ignore[no-untyped-call]

    async def select(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> AsyncIterator[Any]:
        for row in await _answered(
            query_name, conn.fetch(sql, *self._values(query_name, parameters))
        ):
            yield row

    async def select_one(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Any:
        return await _answered(
            query_name, conn.fetchrow(sql, *self._values(query_name, parameters))
        )

    async def select_value(self, conn: Any, query_name: str, sql: str, parameters: Any) -> Any:
        return await _answered(
            query_name, conn.fetchval(sql, *self._values(query_name, parameters))
        )

    async def insert_returning(self, conn: Any, query_name: str, sql: str, parameters: Any) -> Any:
        row = await _answered(query_name, conn.fetchrow(sql, *self._values(query_name, parameters)))
        return row[0] if row and len(row) == 1 else row

    async def insert_update_delete(
        self, conn: Any, query_name: str, sql: str, parameters: Any
    ) -> Any:
        return await _answered(query_name, conn.execute(sql, *self._values(query_name, parameters)))

    async def insert_update_delete_many(
        self, conn: Any, query_name: str, sql: str, parameters: Any
    ) -> Any:
        ordered = [self._values(query_name, one) for one in parameters]
        return await _answered(query_name, conn.executemany(sql, ordered))


def _answered(query_name: str, answer: Awaitable[Result]) -> Awaitable[Result]:
    return _traced(query_name, answer) if SWITCH.on else answer


async def _traced(query_name: str, answer: Awaitable[Result]) -> Result:
    part = current().trace
    if part is None:
        return await answer
    began_s, error = time.perf_counter(), ""
    try:
        return await answer
    except BaseException as failure:
        error = type(failure).__name__
        raise
    finally:
        attributes = {
            "db.system.name": "postgresql",
            "db.namespace": part.service,
            "db.query.summary": query_name,
        }
        part.add(query_name, CLIENT, began_s, attributes, error=error)


aiosql.register_adapter(NAME, ConnectionAdapter)  # type: ignore[arg-type]
