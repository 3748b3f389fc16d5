"""aiosql's asyncpg adapter, for callers that always pass a connection.

aiosql's own adapter searches `dir(connection)` at every call to find out whether it got a pool. That
takes some twenty microseconds per statement: more than many statements take.
"""

from collections.abc import AsyncIterator
from typing import Any

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter

NAME = "asyncpg-connection"


class ConnectionAdapter(AsyncPGAdapter):
    """`queries.name(connection, …)`. It never acquires a connection from a pool."""

    def _values(self, query_name: str, parameters: Any) -> Any:
        return self.maybe_order_params(query_name, parameters)  # type: ignore[no-untyped-call]

    async def select(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> AsyncIterator[Any]:
        for row in await conn.fetch(sql, *self._values(query_name, parameters)):
            yield row

    async def select_one(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Any:
        return await conn.fetchrow(sql, *self._values(query_name, parameters))

    async def select_value(self, conn: Any, query_name: str, sql: str, parameters: Any) -> Any:
        return await conn.fetchval(sql, *self._values(query_name, parameters))

    async def insert_returning(self, conn: Any, query_name: str, sql: str, parameters: Any) -> Any:
        row = await conn.fetchrow(sql, *self._values(query_name, parameters))
        return row[0] if row and len(row) == 1 else row

    async def insert_update_delete(
        self, conn: Any, query_name: str, sql: str, parameters: Any
    ) -> Any:
        return await conn.execute(sql, *self._values(query_name, parameters))

    async def insert_update_delete_many(
        self, conn: Any, query_name: str, sql: str, parameters: Any
    ) -> Any:
        ordered = [self._values(query_name, one) for one in parameters]
        return await conn.executemany(sql, ordered)


aiosql.register_adapter(NAME, ConnectionAdapter)  # type: ignore[arg-type]
