"""What a run wrote: bytes of PostgreSQL's write-ahead log and of its database, and of Redis' memory."""

import re

import msgspec

from chassis.postgres.pool import open_pool, own_session
from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Servers
from chassis.settings import Settings

WRITTEN = (
    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal,"
    " pg_database_size(current_database()) AS disk"
)
USED_MEMORY = re.compile(rb"^used_memory:(\d+)", re.MULTILINE)


class Volumes(msgspec.Struct, frozen=True):
    """Bytes of the log since it began, of the database and of the memory of Redis' primaries now."""

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
    redis = RedisCalls(Servers(loaded.redis_url), {})
    try:
        nodes = await redis.command_to_each_node("INFO", "memory")
        async with own_session(pool) as db:
            row = await db.fetchrow(WRITTEN)
    finally:
        await redis.close()
        await pool.close()
    assert row is not None
    used = (USED_MEMORY.search(info) for info in nodes)
    return Volumes(row["wal"], row["disk"], sum(int(one[1]) for one in used if one))
