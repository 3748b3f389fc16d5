"""What the bench says that an answer writes, against the servers' own books."""

import asyncpg
import redis.asyncio

from chassis.settings import Settings
from loadtest.bench.programs import volumes

KEY_BYTES = 1_000_000


async def test_what_is_written_between_two_looks_is_what_they_differ_by(
    database_url: str, redis_url: str
) -> None:
    loaded = Settings(database_url=database_url, redis_url=redis_url)
    before = await volumes.look(loaded)
    db = await asyncpg.connect(database_url)
    await db.execute(
        "CREATE TABLE written AS SELECT repeat('x', 1000) AS what FROM generate_series(1, 5000)"
    )
    await db.close()
    client = redis.asyncio.from_url(redis_url)
    await client.set("written", b"x" * KEY_BYTES)
    written = (await volumes.look(loaded)).since(before)
    await client.delete("written")
    await client.aclose()
    assert 5_000_000 < written["disk"] < 10_000_000
    assert 0 < written["wal"] < 10_000_000
    assert written["redis"] >= KEY_BYTES
