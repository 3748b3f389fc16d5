"""The ids that a provider gives to our payments and refunds."""

from pathlib import Path
from uuid import UUID

from chassis.postgres.pool import Pool, connection, load_queries

queries = load_queries(Path(__file__).parent / "sql")


class References:
    """One provider's ids for ours. The first value noted for an id is final."""

    def __init__(self, pool: Pool, provider: str) -> None:
        self._pool = pool
        self._provider = provider

    async def note(self, ours: UUID, theirs: str) -> str | None:
        """The final value: the first one that was noted, or None if `close` came first."""
        return await self._first(ours, theirs)

    async def close(self, ours: UUID) -> str | None:
        """The noted value, or None. After None there will never be one: a later `note` returns None too."""
        return await self._first(ours, None)

    async def find(self, ours: UUID) -> str | None:
        async with connection(self._pool) as db:
            row = await queries.get_reference(db, provider=self._provider, ours=ours)
        return row["theirs"] if row is not None else None

    async def adopt(self, ours: UUID, theirs: str) -> None:
        """The provider has this object, and we have lost its id: also after `close`, which says only that
        we knew of none. A noted id stays."""
        async with connection(self._pool) as db:
            await queries.adopt_reference(db, provider=self._provider, ours=ours, theirs=theirs)

    async def _first(self, ours: UUID, theirs: str | None) -> str | None:
        async with connection(self._pool) as db:
            await queries.note_reference(db, provider=self._provider, ours=ours, theirs=theirs)
            row = await queries.get_reference(db, provider=self._provider, ours=ours)
        stands: str | None = row["theirs"]
        return stands
