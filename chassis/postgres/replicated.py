"""What is visible is not always on the standby yet: a commit whose waiting ended early shows its rows.

An answer that was given before may be given again only if it survives a failover (docs/adr/0053).
"""

from pathlib import Path

from chassis.postgres.pool import Connection, load_queries

_sql = load_queries(Path(__file__).parent / "sql" / "replicated.sql")


async def until_replicated(db: Connection) -> None:
    """Returns when all that this connection has read is as safe as a commit is: on the synchronous standby
    if there is one. Within a transaction, its commit waits instead.

    It costs a commit. So only replayed answers call it, and never the first one.
    """
    await _sql.commit_something(db)


async def weak_commits(db: Connection) -> str | None:
    """The value of `synchronous_commit` if a commit is answered before it is safe: on this server's disk, and
    on the standby's where one is named."""
    found = await _sql.commit_settings(db)
    weak = {"off", "local", "remote_write"} if found["standbys"] else {"off"}
    return found["waits_for"] if found["waits_for"] in weak else None
