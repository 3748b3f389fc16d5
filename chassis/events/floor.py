"""Where the relay begins to read its outbox.

Deleted rows stay in table and index until nobody can see them: beside a dump of an hour, a read from the
start steps over everything that was delivered in that hour. So the relay reads from a floor.

A row's position is drawn before its transaction commits, so a lower one may appear after a higher one was
read. But whoever writes to the outbox locks the table (ROW EXCLUSIVE, which keeps nobody out) before it draws
a position, and until it ends. So a position that was read is settled once every transaction that had this
lock at a later moment has ended: all positions up to it are visible then, or will never be.
"""

from collections.abc import Sequence
from pathlib import Path

from chassis.postgres.pool import Connection, load_queries

_sql = load_queries(Path(__file__).parent / "sql" / "floor.sql")


async def read_by_key(db: Connection) -> None:
    """From now on this session finds rows by their index. Its plans live as long as it does: one that was
    made while the outbox was empty would otherwise read all of it once it has grown."""
    await _sql.read_by_key(db)


class ReadingFloor:
    """`position`: no undelivered row has a lower one, and none will get one. Rises, and never falls.

    For one reader that also deletes, and for as long as its connection lives: a database that was failed
    over may draw positions again that the lost one had drawn. Use in turns:

        rows from `position` on ─▶ has_read(positions) ─▶ delivered and deleted ─▶ rise(db)
    """

    def __init__(self) -> None:
        self.position = 0
        self._settled = 0  # all positions up to it are visible, or will never be
        self._read = 0  # the highest that was read
        self._waiting = 0  # settled once `_writers` have ended
        self._writers: frozenset[str] = frozenset()

    def has_read(self, positions: Sequence[int]) -> None:
        """These were read from `position` on, lowest first, and perhaps not all."""
        lowest = positions[0] if positions else self._settled + 1
        self.position = max(self.position, min(self._settled + 1, lowest))
        if positions:
            self._read = max(self._read, positions[-1])

    async def rise(self, db: Connection) -> None:
        """Settles what was read, as far as its writers have ended. The next `has_read` moves the floor."""
        if self._read == self._settled:
            return
        writers = frozenset([row["writer"] async for row in _sql.writers(db)])
        if not writers:
            self._settled = self._read
        elif not writers & self._writers:
            self._settled, self._waiting, self._writers = self._waiting, self._read, writers
