"""What a run wrote: bytes of PostgreSQL's write-ahead log and of its database, and of Redis' memory."""

import msgspec
import redis.asyncio

from chassis.postgres.pool import open_pool, own_session
from chassis.settings import Settings

WRITTEN = (
    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal,"
    " pg_database_size(current_database()) AS disk"
)


class Volumes(msgspec.Struct, frozen=True):
    """Bytes of the log since it began, of the database and of Redis' memory now."""

    wal: int
    disk: int
    redis: int

    def since(self, before: "Volumes") -> dict[str, int]:
        return {
            "wal": self.wal - before.wal,
            "disk": self.disk - before.disk,
            "redis": self.redis - before.redis,
        }


async def look(loaded: Settings) -> Volumes:
    assert loaded.database_url is not None
    assert loaded.redis_url is not None
    pool = await open_pool(loaded.database_url, "booking", size=1)
    client = redis.asyncio.from_url(loaded.redis_url)
    try:
        memory = await client.info("memory")
        async with own_session(pool) as db:
            row = await db.fetchrow(WRITTEN)
    finally:
        await client.aclose()
        await pool.close()
    assert row is not None
    return Volumes(row["wal"], row["disk"], memory["used_memory"])
