"""Creates and upgrades each service's schema from its numbered .sql files.

Only forward: each file once, in one transaction, all under one advisory lock, so any number of processes
may start at once. A file that was changed after it was applied stops the start.
"""

import hashlib
import re
from pathlib import Path

import asyncpg

from chassis.postgres.connecting import Servers

MIGRATION_LOCK = 7_382_001  # one number for the whole platform: migrations run one at a time
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class MigrationError(Exception):
    """The schema cannot be brought to this version. The message says what to do."""


async def migrate(database_url: str, schema: str, directory: Path) -> list[str]:
    """Applies missing migrations to `schema`. Returns the names of the files applied."""
    connection = await Servers(database_url).connect(server_settings={"timezone": "UTC"})
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            await connection.execute(f'SET LOCAL search_path TO "{schema}"')
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY,"
                " digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            rows = await connection.fetch("SELECT name, digest FROM migrations")
            applied: dict[str, str] = {row["name"]: row["digest"] for row in rows}
            return await _apply_missing(connection, directory, applied)
    finally:
        await connection.close()


async def _apply_missing(
    db: "asyncpg.Connection[asyncpg.Record]", directory: Path, applied: dict[str, str]
) -> list[str]:
    done = []
    for path in sorted(directory.glob("*.sql")):
        if not _NAME.fullmatch(path.name):
            raise MigrationError(
                f"Rename {path.name}: migrations have names like 0001_what_it_does.sql."
            )
        text = path.read_text(encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        if path.name not in applied:
            await db.execute(text)
            await db.execute(
                "INSERT INTO migrations (name, digest) VALUES ($1, $2)", path.name, digest
            )
            done.append(path.name)
        elif applied[path.name] != digest:
            raise MigrationError(
                f"{path.name} was changed after this database applied it: put the change into a "
                "new migration, or start with an empty database."
            )
    return done
